"""Which settings are taken, and how the others are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from kuberay.checks.loading import SettingsError, load_plan, load_settings
from tests.bad_settings import BAD_SETTINGS, Bad
from tests.paths import ROOT
from tests.stack_config import as_config


def load(settings: dict[str, Any], **options: Any) -> Any:
    return load_settings(as_config(settings), project_folder=ROOT, **options)


def refused(settings: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(settings, **options)
    return error.value.problems


@pytest.mark.parametrize("bad", BAD_SETTINGS, ids=lambda bad: bad.mistake)
def test_a_mistake_is_refused_with_one_line_that_says_what_is_allowed(bad: Bad) -> None:
    (line,) = refused(bad.config)
    assert "\n" not in line
    for part in bad.says:
        assert part in line


def test_every_mistake_is_named_at_once() -> None:
    lines = refused(
        {"architecture": "arm", "clusters": {"a": {"head": {"memory": "2Q"}, "worker": {"cpu": 0}}}}
    )
    assert len(lines) == 3


def test_a_secret_is_not_shown_in_an_error() -> None:
    config = as_config({"clusters": {"a": {"head": {"env": {"TOKEN": {"valeu": "hunter2"}}}}}})
    with pytest.raises(SettingsError) as error:
        load_settings(config, secret_keys=["kuberay:clusters"])
    assert "hunter2" not in str(error.value)
    assert "[secret]" in str(error.value)


@pytest.mark.parametrize(
    "password",
    [12345, {"value": 12345}, {"valeu": "hunter2"}, {"value": "hunter2", "secretKeyRef": {"name": "a"}}],
)
def test_a_password_is_not_shown_in_an_error_even_where_it_is_written_wrong(password: Any) -> None:
    lines = refused(
        {"clusters": {"a": {"gcsFaultTolerance": {"redisAddress": "r:6379", "redisPassword": password}}}}
    )
    assert not any("hunter2" in line or "12345" in line for line in lines)


def test_a_password_is_not_shown_in_an_error_about_what_it_stands_in() -> None:
    lines = refused({"clusters": {"a": {"gcsFaultTolerance": {"redisPassword": "hunter2"}}}})
    assert any("redisAddress" in line and "is required" in line for line in lines)
    assert not any("hunter2" in line for line in lines)


@pytest.mark.parametrize(
    "tolerance",
    [
        [{"redisPassword": "hunter2"}],
        [[{"redisPassword": "hunter2"}]],
        [{"redisAddress": "r:6379", "redisPassword": {"value": "hunter2"}}],
        {"redisAddress": "r:6379", "redisPasword": "hunter2"},
        {"redisAddress": "r:6379", "redis-password": "hunter2"},
        {"redisAddress": "r:6379", "pasword": {"value": "hunter2"}},
        [{"redisPasword": "hunter2"}],
        {"redisAddress": {"redis_password": "hunter2"}},
        '{"redisPassword": "hunter2"',
        "redisPasword: hunter2",
    ],
)
def test_a_password_is_not_shown_wherever_and_however_its_key_is_written(tolerance: Any) -> None:
    lines = refused({"clusters": {"a": {"gcsFaultTolerance": tolerance}}})
    assert not any("hunter2" in line for line in lines)
    assert any("[secret]" in line for line in lines)


@pytest.mark.parametrize(
    "repository",
    [
        "ftp://me:hunter2@charts",
        "oci://me:hunter2@r/c",
        "https://me:hunter2/hunter2@charts",
        "https://me:@hunter2@:x",
        "me:hunter2@charts/c",
        "me@hunter2",
    ],
)
def test_a_login_in_an_address_is_not_shown_in_an_error(repository: str) -> None:
    (line,) = refused({"chartRepository": repository})
    assert ("hunter2" in line) is (repository == "me@hunter2")
    assert refused({"jobs": {"train": {"entrypoint": [repository]}}})[0].count("hunter2") == line.count(
        "hunter2"
    )


def test_what_no_folder_can_be_called_is_no_repository() -> None:
    with pytest.raises(SettingsError) as error:
        load_plan({"kuberay:chartRepository": "k3y" * 100}, secret_keys=["kuberay:chartRepository"])
    assert error.value.problems == [
        "kuberay:chartRepository: [secret] is neither https://…, oci://… nor a folder that exists"
    ]


def test_config_that_cannot_be_read_is_not_shown_where_it_names_a_secret() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"kuberay:clusters": '{"a": {"gcsFaultTolerance": {"redisPassword": "hunter2"'})
    assert (
        str(error.value)
        == 'kuberay:clusters: "[secret]" is neither text nor YAML that Pulumi understands as an object'
    )


def test_a_message_does_not_quote_an_encrypted_value() -> None:
    config = {"kuberay:clusters": json.dumps({"a": {"head": {"memory": "12345"}}})}
    with pytest.raises(SettingsError) as error:
        load_settings(config, secret_keys=["kuberay:clusters"])
    assert "12345" not in str(error.value)


def test_what_is_no_secret_is_shown_also_of_a_cluster_that_is_called_like_one() -> None:
    (line,) = refused({"clusters": {"token-service": {"head": {"memory": "2"}}}})
    assert line.startswith('kuberay:clusters.token-service.head.memory: "2" is less than a megabyte')
    (line,) = refused({"clusters": {"a": {"head": {"rayStartParams": {"redis-username": "me"}}}}})
    assert '"me"' in line


def test_a_values_file_behind_a_link_out_of_the_project_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "shadow").write_text("root: hunter2\n")
    (tmp_path / "project/values.yaml").symlink_to(tmp_path / "shadow")
    config = as_config({"clusters": {"a": {"valuesFile": "values.yaml"}}})
    with pytest.raises(SettingsError, match="must be a file in the project's folder") as error:
        load_settings(config, project_folder=tmp_path / "project")
    assert "root" not in str(error.value)


def test_a_values_file_whose_name_no_file_can_have_is_refused() -> None:
    (line,) = refused({"clusters": {"a": {"valuesFile": "a\0b"}}})
    assert "must be a file in the project's folder" in line


def test_no_part_of_a_values_file_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    config = as_config({"clusters": {"a": {"valuesFile": "values.yaml"}}})
    for text in (
        "a: [hunter2\n",
        "a:\n\thunter2: x\n",
        "a: !hunter2 b\n",
        "a: *hunter2\n",
        "? {[hunter2]: 1}\n: 2\n",
        "[" * 9999,
        "2001-99-99",
    ):
        (tmp_path / "values.yaml").write_text(text)
        with pytest.raises(SettingsError) as error:
            load_settings(config, project_folder=tmp_path)
        assert "hunter" not in str(error.value)
        assert "values.yaml" in str(error.value)
        assert "is not a readable YAML file: there is a mistake" in str(error.value)


def test_a_values_file_in_a_folder_below_and_one_that_comes_back_into_the_project_are_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "values").mkdir()
    (tmp_path / "values/dev.yaml").write_text("head: {priorityClassName: low}\n")
    for name in ("values/dev.yaml", "values/../values/dev.yaml"):
        config = as_config({"clusters": {"a": {"valuesFile": name}}})
        assert load_settings(config, project_folder=tmp_path).clusters["a"].values == {
            "head": {"priorityClassName": "low"}
        }


def test_a_reference_to_a_secret_is_shown_in_an_error() -> None:
    reference = {"secretKeyRef": {"name": "Redis Secret", "key": "password"}}
    (line,) = refused(
        {"clusters": {"a": {"gcsFaultTolerance": {"redisAddress": "r:6379", "redisPassword": reference}}}}
    )
    assert "Redis Secret" in line


def test_config_of_other_projects_is_left_alone() -> None:
    assert load_settings({"kubernetes:context": "kind", "other:architcture": "x"}).architecture == "x86"


@pytest.mark.parametrize(
    ("written", "means"), [("amd64", "x86"), ("x86_64", "x86"), ("arm64", "aarch64"), ("aarch64", "aarch64")]
)
def test_an_architecture_may_be_written_as_kubernetes_or_linux_does(written: str, means: str) -> None:
    assert load({"architecture": written}).architecture == means


def test_zero_is_a_number_of_replicas() -> None:
    assert load({"clusters": {"a": {"worker": {"replicas": 0}}}}).clusters["a"].worker.replicas == 0


def test_without_an_autoscaler_a_group_may_have_no_replica_at_most() -> None:
    assert (
        load({"clusters": {"a": {"worker": {"replicas": 0, "maxReplicas": 0}}}})
        .clusters["a"]
        .worker.max_replicas
        == 0
    )


def test_a_stack_without_clusters_installs_the_operator_alone() -> None:
    assert load({"clusters": {}}).clusters == {}


def test_raw_values_win_over_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("head: {priorityClassName: low, lifecycle: {}}\n")
    config = as_config(
        {"clusters": {"a": {"valuesFile": "values.yaml", "values": {"head": {"priorityClassName": "high"}}}}}
    )
    settings = load_settings(config, project_folder=tmp_path)
    assert settings.clusters["a"].values == {"head": {"priorityClassName": "high", "lifecycle": {}}}


def test_numbers_and_text_both_do_for_cpu() -> None:
    for cpu in (2, "2", "2000m"):
        assert load({"clusters": {"a": {"head": {"cpu": cpu}}}}).clusters["a"].head.cpu == str(cpu)


def test_what_pods_carry_for_everyone_to_read_is_not_taken_encrypted() -> None:
    metrics = {"metrics": {"prometheus": {"url": "http://prometheus.internal:9090"}}}
    why = (
        "must be readable with grafana or prometheus, whose addresses pods carry as text: only"
        " prometheus.headersFrom is a secret"
    )
    assert refused(metrics, secret_keys=["kuberay:metrics"]) == [f"kuberay:metrics: [secret] {why}"]
    assert load(metrics).metrics.prometheus.url == "http://prometheus.internal:9090"
    assert load({"metrics": {"enabled": True}}, secret_keys=["kuberay:metrics"]).metrics.enabled
