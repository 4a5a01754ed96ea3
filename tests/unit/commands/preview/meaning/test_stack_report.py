"""What a preview's steps mean, over previews that the real CLI has printed
(tests/integration/harness/record_previews.py).
"""

import json
from typing import Any

import pytest

from commands.preview.meaning.differences import differences, lines, shown_differences
from commands.preview.meaning.hiding import hidden_alike
from commands.preview.meaning.pods import python_of
from commands.preview.meaning.report import EXIT_CODES, RayChange, StackReport, Totals, worst
from commands.preview.meaning.stack_report import stack_report
from commands.preview.meaning.steps import parse_preview, read_preview
from commands.preview.meaning.workloads import takes_a_new_cluster
from commands.preview.output.wording import other_line
from tests.paths import PREVIEWS


def report_of(name: str) -> StackReport:
    return stack_report("dev", read_preview(json.loads((PREVIEWS / f"{name}.json").read_text())))


def cluster(report: StackReport, name: str = "raycluster") -> RayChange:
    return next(one for one in report.ray if one.name == name)


def test_nothing_changes() -> None:
    report = report_of("nothing")
    assert (report.level, report.ray, report.others) == ("nothing", [], [])
    assert report.before == report.after == Totals(cpu="6", memory="16G", gpus=0)


def test_raised_memory_names_the_pods_that_restart_and_the_new_total() -> None:
    report = report_of("memory")
    assert report.level == "restarts"
    assert cluster(report).headline == "1 pod of workergroup restarts (memory 2G → 3G)"
    assert {group.group: group.effect for group in cluster(report).groups} == {
        "head": "stays",
        "big": "stays",
        "workergroup": "restarts",
    }
    assert report.after == Totals(cpu="6", memory="17G", gpus=0)
    assert cluster(report).values[:2] == [
        "- worker.resources.limits.memory: 2G",
        "+ worker.resources.limits.memory: 3G",
    ]


def test_a_new_head_takes_its_workers_with_it_and_says_so() -> None:
    report = report_of("head-environment")
    why = {group.group: group.why for group in cluster(report).groups}
    assert why == {
        "head": ["containerEnv"],
        "big": ["its head restarts"],
        "workergroup": ["its head restarts"],
    }
    assert "1 pod of head restarts (containerEnv)" in cluster(report).headline
    assert "3 pods of big and workergroup restart (its head restarts)" in cluster(report).headline
    assert cluster(report).values == ["- head.containerEnv[A].value: 1", "+ head.containerEnv[A].value: 2"]


def test_what_kubernetes_quotes_of_encrypted_settings_is_in_no_report() -> None:
    said = 'RayJob "a" is invalid: spec.entrypoint: Invalid value: "hunter2": too long'
    digest = {
        "diagnostics": [
            {"message": f"error: {said}", "severity": severity} for severity in ("error", "warning")
        ]
    }
    told = ([said], [f"error: {said}"])
    plain = stack_report("dev", read_preview(digest | {"config": {"kuberay:jobs": "{}"}}))
    assert (plain.errors, plain.warnings) == told
    # As the CLI shows the config.
    secret = {"kuberay:jobs": '{"a":{"entrypoint":"[secret]"}}'}
    hidden = stack_report("dev", read_preview(digest | {"config": secret}))
    cut = said.partition('"hunter2"')[0] + "[secret]"
    assert (hidden.errors, hidden.warnings) == ([cut], [f"error: {cut}"])


def test_releases_that_are_taken_over_are_not_new() -> None:
    digest = json.loads((PREVIEWS / "new.json").read_text())
    said = [
        f"takes over Helm release {name}, revision 1, as it runs: no pod restarts"
        for name in ("kuberay-operator", "raycluster")
    ]
    digest["diagnostics"] += [{"message": line, "severity": "info"} for line in said]
    report = stack_report("dev", read_preview(digest))
    expected = "is taken over from Helm as it runs, a head and 1 of workergroup: no pod restarts"
    assert (cluster(report).headline, cluster(report).level) == (expected, "changes")
    assert cluster(report).before == cluster(report).after
    assert cluster(report).values == []
    assert "Helm release kuberay-operator is taken over from Helm as it runs" in [
        other_line(one) for one in report.others
    ]


def test_more_replicas_restart_nothing() -> None:
    report = report_of("replicas")
    assert report.level == "changes"
    assert cluster(report).headline == "workergroup: 1 → 3 pods; no pod restarts"
    assert report.after == Totals(cpu="8", memory="20G", gpus=0)


def test_another_architecture_is_another_image_for_all_pods_of_all_clusters() -> None:
    report = report_of("architecture")
    assert {one.name for one in report.ray} == {"raycluster", "other"}
    for one in report.ray:
        assert {group.why[0] for group in one.groups} == {"architecture aarch64 → x86"}
        said = {version.what: (version.before, version.after) for version in one.versions}
        assert said["architecture"] == ("aarch64", "x86")
        assert said["image"] == ("rayproject/ray:2.46.0-py310-aarch64", "rayproject/ray:2.46.0-py310")


def test_versions_of_ray_and_python_are_told_and_what_they_bring_into_the_protection() -> None:
    report = report_of("ray")
    said = {version.what: (version.before, version.after) for version in cluster(report).versions}
    assert (said["Ray"], said["Python"]) == (("2.46.0", "2.52.0"), ("3.10", "3.11"))
    (gained,) = report.protection.gained
    assert (gained.what, gained.of) == (
        "jobs, dashboard and clients have to show a token",
        ["other", "raycluster"],
    )


def test_an_upgrade_of_the_operator_names_it_and_the_crds_and_restarts_nothing() -> None:
    report = report_of("operator")
    assert {(one.what, one.before, one.after) for one in report.versions} == {
        ("KubeRay operator", "1.3.0", "1.6.2"),
        ("CRDs", "1.3.0", "1.6.2"),
    }
    assert report.level == "changes"
    assert all(one.headline == "no pod restarts" for one in report.ray)
    assert [(one.what, one.before, one.after) for one in cluster(report).versions] == [
        ("chart", "1.3.0", "1.6.2")
    ]


def test_clusters_come_and_go() -> None:
    added = report_of("cluster-added")
    assert (added.level, cluster(added, "third").operation) == ("changes", "create")
    assert added.after == Totals(cpu="8", memory="20G", gpus=1)
    removed = report_of("cluster-removed")
    assert (removed.level, cluster(removed, "other").headline) == (
        "destroys",
        "goes, with its head and 1 of workergroup",
    )
    assert removed.after == Totals(cpu="4", memory="12G", gpus=0)


def test_a_group_that_goes_is_destroyed() -> None:
    report = report_of("group-removed")
    assert (report.level, cluster(report).headline) == (
        "destroys",
        "group big goes, with 2 pods; no pod restarts",
    )


def test_a_cluster_that_is_made_anew_says_why() -> None:
    report = report_of("service-type")
    assert report.level == "restarts"
    assert cluster(report).headline.startswith("is deleted and made anew (service.type): its head")
    (lost,) = report.protection.lost
    assert (lost.what, lost.of) == (
        "the head's Service is reached from within the Kubernetes cluster only",
        ["raycluster"],
    )


def test_pods_that_an_owner_keeps_do_not_restart() -> None:
    report = report_of("kept-pods")
    assert report.level == "changes"
    assert (
        "running pods of workergroup keep the old spec (upgradeStrategy: None; memory 2G → 3G)"
        in cluster(report).headline
    )


def test_what_loses_protection_is_named() -> None:
    report = report_of("protection")
    assert {one.what for one in report.protection.lost} == {
        "a NetworkPolicy limits who reaches Ray's ports",
        "pods run with the restricted security context",
    }
    assert report.protection.gained == []
    assert any("protection.podSecurity is none" in line for line in report.protection.open)


def test_a_new_stack_is_all_new() -> None:
    report = report_of("new")
    assert (report.is_new, report.level, report.before) == (True, "changes", None)
    assert cluster(report).headline == "new: a head and 1 of workergroup"
    assert {f"{one.kind} {one.name}" for one in report.others} == {
        "Namespace kuberay",
        "NetworkPolicy kuberay.NetworkPolicy",
        "Helm release kuberay-operator",
    }


@pytest.mark.parametrize("name", ["secret-token", "secret-environment", "secret-values"])
def test_a_secret_that_changes_restarts_pods_and_is_not_shown(name: str) -> None:
    report = report_of(name)
    assert report.level == "restarts"
    changes = [path for one in (*report.ray, *report.others) for path in one.secrets]
    assert changes
    assert "opensesame" not in report.model_dump_json()


def test_pods_that_restart_because_the_last_encrypted_setting_goes_say_so() -> None:
    digest = json.loads((PREVIEWS / "secret-values.json").read_text())
    for step in digest["steps"]:
        # Sizes are as they were.
        if step["op"] == "replace" and step["urn"].endswith(".pods"):
            step["newState"]["inputs"]["input"]["pods"] = step["oldState"]["inputs"]["input"]["pods"]
    urn = "urn:pulumi:dev::kuberay::pulumi:index:Stash::fingerprint-key"
    digest["steps"].append(
        {"op": "delete", "urn": urn, "oldState": {"type": "pulumi:index:Stash", "inputs": {}}}
    )
    why = {
        reason for group in cluster(stack_report("dev", read_preview(digest))).groups for reason in group.why
    }
    assert why == {
        (
            "the key of the stack's fingerprints goes with the last encrypted setting; "
            "protection.sealFingerprints: true keeps it, and the pods"
        ),
        "its head restarts",
    }


def test_totals_that_only_encrypted_values_tell_are_not_guessed() -> None:
    report = report_of("secret-values")
    assert report.after is None
    assert any("all of its Helm values are encrypted" in line for line in report.unknown)


def test_a_new_serve_config_goes_to_the_running_cluster() -> None:
    report = report_of("serve-config")
    assert (report.level, cluster(report, "chat").headline) == (
        "changes",
        "a new Serve config goes to the running cluster",
    )
    assert any("num_replicas: 2" in line for line in cluster(report, "chat").values)


def test_a_services_new_cluster_takes_over_and_more_replicas_do_not_take_one() -> None:
    changed = report_of("service-cluster")
    assert changed.level == "restarts"
    assert (
        "a second cluster comes up and takes over (workergroup: memory 2G → 3G)"
        in cluster(changed, "chat").headline
    )
    assert report_of("service-replicas").level == "changes"


def test_a_job_runs_again_when_it_is_to_run_something_else() -> None:
    report = report_of("job")
    assert (report.level, cluster(report, "train").headline) == ("changes", "runs again: entrypoint")


def test_jobs_and_services_that_go_are_destroyed() -> None:
    report = report_of("workloads-removed")
    assert report.level == "destroys"
    assert {(one.kind, one.headline) for one in report.ray} == {("job", "goes"), ("service", "goes")}


def test_a_namespace_that_leaves_the_stack_is_not_destroyed() -> None:
    report = report_of("namespace-handed-over")
    assert (report.level, [other_line(one) for one in report.others]) == (
        "changes",
        ["Namespace kuberay is left in the cluster"],
    )


def test_broken_settings_are_the_error_line() -> None:
    report = report_of("broken")
    assert report.level == "failed"
    (line,) = report.errors
    assert line.startswith('kuberay:archtecture: "x86" is not a setting; did you mean')


def test_what_is_no_preview_is_none() -> None:
    assert parse_preview("error: no stack named 'x' found") is None
    assert parse_preview("") is None


def test_groups_at_the_end_and_replicas_take_no_new_cluster_of_a_service() -> None:
    one, two = {"groupName": "a", "replicas": 1}, {"groupName": "b", "replicas": 1}
    head = {"headGroupSpec": {"template": {}}}
    assert not takes_a_new_cluster(
        head | {"workerGroupSpecs": [one]}, head | {"workerGroupSpecs": [one | {"replicas": 5}, two]}
    )
    assert takes_a_new_cluster(head | {"workerGroupSpecs": [one]}, head | {"workerGroupSpecs": [two, one]})
    assert takes_a_new_cluster(head, {"headGroupSpec": {"template": {"spec": {}}}})


def test_entries_whose_names_are_none_end_no_report_and_show_no_secret() -> None:
    odd = {"name": {"first": "hunter2"}, "value": "x"}
    assert lines(differences({"env": [odd]}, {"env": []})) == [
        "- env[0].name.first: hunter2",
        "- env[0].value: x",
    ]
    # A secret that stands for one of two of a name is compared by place.
    old = {"env": [{"name": "B", "value": "b"}, {"name": "A", "value": "hunter2"}]}
    new = {"env": [{"name": "A", "value": "[secret]"}, {"name": "A", "value": "b"}, odd | {"name": 1}]}
    for moved in (new, {"env": [odd | {"name": {"first": "[secret]"}}]}):
        before = {"env": [*old["env"], odd]}
        assert "hunter2" not in str([lines(shown_differences(before, moved)), hidden_alike(before, moved)])


def test_entries_with_names_are_compared_by_name() -> None:
    old = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    new = {"env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}]}
    found = list(differences(old, new))
    assert lines(found) == ["- env[A].name: A", "- env[A].value: 1", "+ env[C].name: C", "+ env[C].value: 3"]


def test_a_secret_is_a_line_without_a_value() -> None:
    assert lines(list(differences({"a": "[secret]"}, {"a": "x"}))) == ["- a: [secret]", "+ a: x"]
    assert lines(list(differences({"a": "[secret]"}, {"a": "[secret]"}))) == []


def test_what_becomes_a_secret_is_not_shown_as_it_was() -> None:
    assert lines(list(differences({"a": "hunter2"}, {"a": "[secret]"}))) == ["~ a: a secret changes"]
    assert lines(list(differences({"a": {"b": "hunter2"}}, {"a": "[secret]"}))) == ["~ a: a secret changes"]
    assert lines(list(differences({}, {"a": "[secret]"}))) == ["+ a: [secret]"]
    assert shown_differences({"a": "hunter2"}, "[secret]") == []


REFERENCE = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def test_a_text_that_moves_into_a_secret_is_not_shown_as_it_was() -> None:
    text = {"containerEnv": [{"name": "A", "value": "hunter2"}, {"name": "B", "value": "1"}]}
    moved = {"containerEnv": [REFERENCE, {"name": "B", "value": "1"}]}
    assert lines(shown_differences(text, moved)) == [
        "- containerEnv[A].value: [hidden]",
        "+ containerEnv[A].valueFrom.secretKeyRef.name: s",
        "+ containerEnv[A].valueFrom.secretKeyRef.key: k",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"head": {"env": [{"name": "A", "value": "hunter2"}]}},
            {"head": {"envFrom": [{"secretRef": {"name": "s"}}]}},
        ),
        (
            {"head": {"env": [{"name": "A", "value": "hunter2"}]}},
            {"head": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}},
        ),
        ({"head": {"env": [{"name": "B", "value": "hunter2"}]}}, {"head": {"env": [REFERENCE]}}),
        ({"common": {"env": [{"name": "A", "value": "hunter2"}]}}, {"head": {"env": [REFERENCE]}}),
        ({"args": ["--password=hunter2"]}, {"args": ["--password=$(A)"], "env": [REFERENCE]}),
        ({"args": ["--password=hunter2"]}, {"env": [REFERENCE]}),
        (
            {"rayStartParams": {"redis-password": "hunter2"}},
            {"rayStartParams": {"redis-password": "$A"}, "env": [REFERENCE]},
        ),
        ({"runtimeEnvYAML": {"env_vars": {"A": "hunter2"}}}, {"runtimeEnvYAML": None, "env": [REFERENCE]}),
        (
            {"rayStartParams": {"redis-pasword": "hunter2"}},
            {"rayStartParams": {"redis-password": "[secret]"}},
        ),
        ({"sidecars": ["hunter2", "b"]}, {"sidecars": ["b", "[secret]"]}),
        ({"sidecars": [{"a": "x"}, {"a": "hunter2"}]}, {"sidecars": [{"a": "[secret]"}]}),
        ({"sidecars": [{"name": "old", "a": "hunter2"}]}, {"sidecars": [{"name": "new", "a": "[secret]"}]}),
        (
            {"sidecars": [{"name": "x", "a": "hunter2"}]},
            {"sidecars": [{"name": "x", "a": "[secret]"}, {"name": "x", "a": "b"}]},
        ),
        ({"sidecars": [["hunter2"]]}, {"sidecars": [["[secret]"]]}),
    ],
)
def test_no_way_to_move_a_text_into_a_secret_shows_it(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert lines(shown_differences(old, new)), "the change itself is told"
    assert "hunter2" not in str(shown_differences(old, new))
    assert "hunter2" not in str(hidden_alike(old, new))


@pytest.mark.parametrize("after", [[], [{"name": "A", "value": "other"}]], ids=["goes", "changes"])
def test_a_variable_beside_what_comes_from_a_secret_is_not_shown_as_it_was(after: list[Any]) -> None:
    other = REFERENCE | {"name": "C"}
    old = {"head": {"containerEnv": [{"name": "A", "value": "hunter2"}, other], "labels": {"a": "1"}}}
    new = {"head": {"containerEnv": [*after, other], "labels": {"a": "2"}}}
    shown = lines(shown_differences(old, new))
    assert "- head.containerEnv[A].value: [hidden]" in shown
    assert "- head.labels.a: 1" in shown
    of_job = [
        {"runtimeEnvYAML": {"env_vars": {"A": value}}, "env": [other]} for value in ("hunter2", "other")
    ]
    assert "hunter2" not in str(shown_differences(*of_job))


def test_a_text_that_moves_into_a_volume_of_a_csi_driver_is_not_shown_as_it_was() -> None:
    csi = {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "vault"}}
    old = {"head": {"rayStartParams": {"redis-password": "hunter2"}}}
    assert "hunter2" not in str(shown_differences(old, {"head": {"volumes": [{"name": "s", "csi": csi}]}}))


def test_what_moves_nowhere_is_shown_as_it_was() -> None:
    variables = [{"env": [{"name": "A", "value": value}]} for value in ("1", "2")]
    assert lines(shown_differences(*variables)) == ["- env[A].value: 1", "+ env[A].value: 2"]
    old = {"head": {"env": [{"name": "A", "value": "1"}, REFERENCE | {"name": "C"}], "image": {"tag": "1"}}}
    new = {"head": {"env": [{"name": "A", "value": "2"}, REFERENCE | {"name": "C"}], "image": {"tag": "2"}}}
    assert lines(shown_differences(old, new)) == [
        "- head.env[A].value: [hidden]",
        "+ head.env[A].value: 2",
        "- head.image.tag: 1",
        "+ head.image.tag: 2",
    ]
    # An image's tag is prescribed: nobody moves it into a Secret.
    new["head"]["env"] = [{"name": "A", "value": "1"}, REFERENCE | {"name": "C"}, REFERENCE | {"name": "D"}]
    assert lines(shown_differences(old, new))[-2:] == ["- head.image.tag: 1", "+ head.image.tag: 2"]


def test_manifests_of_old_values_hide_what_the_new_ones_do() -> None:
    old = {
        "env": [{"name": "A", "value": "hunter2"}],
        "volumes": [{"name": "log", "emptyDir": {}}, {"name": "data", "nfs": {"path": "/x"}}],
    }
    new = {"env": "[secret]", "volumes": [{"name": "data", "nfs": "[secret]"}]}
    hidden = hidden_alike(old, new)
    assert hidden == {
        "env": "[secret]",
        "volumes": [{"name": "log", "emptyDir": {}}, {"name": "data", "nfs": "[secret]"}],
    }
    assert hidden_alike(old, old) == old
    assert hidden_alike(old, {"env": old["env"]}) == old


def test_the_python_version_is_read_from_tags_of_rays_images_alone() -> None:
    assert python_of("rayproject/ray:2.46.0-py310-aarch64") == "3.10"
    assert python_of("mirror:5000/ray:2.52.0-py312-gpu") == "3.12"
    assert python_of("mine/ray:latest") is None


def test_the_worst_level_counts_and_has_an_exit_code_of_its_own() -> None:
    assert worst(["changes", "destroys", "restarts"]) == "destroys"
    assert worst(["failed", "destroys"]) == "failed"
    assert worst([]) == "nothing"
    assert sorted(EXIT_CODES.values()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("operation", "keep", "said", "level"),
    [
        ("delete", True, "is left in the cluster: its data stays", "changes"),
        ("delete", False, "goes: its data goes with it", "destroys"),
        ("replace", True, "is new: empty; the one before stays, with its data", "changes"),
        ("replace", False, "is deleted and made anew: its data goes", "destroys"),
        ("update", True, "changes", "changes"),
    ],
)
def test_what_becomes_of_the_data_of_a_claim_is_said(
    operation: str, keep: bool, said: str, level: str
) -> None:
    urn = (
        "urn:pulumi:dev::kuberay::"
        "kuberay:components:Storage$kubernetes:core/v1:PersistentVolumeClaim::data.storage"
    )
    state = {"inputs": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}, "retainOnDelete": keep}
    step = {
        "op": operation,
        "urn": urn,
        "oldState": state,
        **({} if operation == "delete" else {"newState": state}),
    }
    (claim,) = stack_report("dev", read_preview({"steps": [step]})).others
    assert (other_line(claim), claim.level) == (f"PersistentVolumeClaim data.storage {said}", level)
