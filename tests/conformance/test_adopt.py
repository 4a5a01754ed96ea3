"""Releases that were made by hand, of several shapes: what Helm renders of the settings
for them is what it rendered before.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.adopt.adoption import Adoption, adopt, hide_secrets
from commands.adopt.settings_of import cluster_settings
from commands.stack.cli import StackError
from commands.stack.helm import Helm
from kuberay.facts.chart_source import ChartSource
from kuberay.facts.charts import Chart
from kuberay.live.takeover.marks import Record
from local import tools
from tests.conformance.charts_at_hand import ALL
from tests.paths import ROOT

SHAPES: dict[str, dict[str, Any]] = {"as the chart has it": {}} | {
    file.stem: yaml.safe_load(file.read_text()) for file in sorted((ROOT / "tests/data/adopt").glob("*.yaml"))
}


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    with pytest.MonkeyPatch.context() as patched, Helm(str(tools.ensure([tools.HELM])["helm"])) as helm:
        patched.delenv("KUBECONFIG", raising=False)
        yield helm


def by_hand(
    helm: Helm, charts: Path, chart: Chart, release: str, version: str, values: dict[str, Any]
) -> Record:
    """What Helm would have on record of it."""
    source = ChartSource(str(charts / chart), version, None)
    helm.fetch([source])
    return Record(
        secret="",
        release=release,
        revision=1,
        status="deployed",
        stack=None,
        values=values,
        manifest=helm.render(release, "ray", source, values),
        namespace="ray",
        chart=chart,
        version=version,
        defaults=yaml.safe_load((charts / chart / "values.yaml").read_text()),
    )


def adopted(
    helm: Helm, version: str, clusters: dict[str, dict[str, Any]], operator: dict[str, Any] | None = None
) -> Adoption:
    charts = ALL[version]
    found = (
        [by_hand(helm, charts, "kuberay-operator", "kuberay-operator", version, operator)]
        if operator is not None
        else []
    )
    found += [
        by_hand(helm, charts, "ray-cluster", name, version, values) for name, values in clusters.items()
    ]
    return adopt(found, helm, {"chartRepository": str(charts)}, lambda _: None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("version", ALL)
def test_what_helm_renders_of_the_settings_is_what_runs(helm: Helm, version: str, shape: str) -> None:
    adoption = adopted(helm, version, {"raycluster": SHAPES[shape]}, {})
    assert adoption.differences == []


@pytest.mark.parametrize("version", ALL)
def test_an_operator_with_values_of_its_own_is_brought_along(helm: Helm, version: str) -> None:
    own = {
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
        "nodeSelector": {"pool": "ops"},
    }
    adoption = adopted(helm, version, {"raycluster": {}}, own)
    assert adoption.differences == []
    assert adoption.config["operator"]["cpu"] == "1"
    assert adoption.config["operator"]["values"]["nodeSelector"] == {"pool": "ops"}


def test_what_settings_can_say_is_said_by_settings(helm: Helm) -> None:
    (version, *_) = ALL
    config = adopted(helm, version, {"raycluster": SHAPES["gpus"]}).config
    cluster = config["clusters"]["raycluster"]
    assert (config["rayVersion"], config["pythonVersion"], config["accelerator"]) == ("2.46.0", "3.10", "gpu")
    assert cluster["head"]["memory"] == "8Gi"
    assert cluster["head"]["env"]["HF_HOME"] == "/models"
    assert cluster["worker"]["replicas"] == 2
    assert cluster["additionalWorkerGroups"]["gpu-workers"]["gpus"] == 1
    assert set(cluster["adopted"]["templates"]) == {"head", "cpu-workers", "gpu-workers"}


def test_a_person_is_told_what_could_not_be_said_and_what_may_be_a_secret(helm: Helm) -> None:
    (version, *_) = ALL
    notes = adopted(helm, version, {"raycluster": SHAPES["head-alone"]}).notes
    assert (
        "raycluster: value head.memroy is left out: the chart does not read it, so it does nothing now either"
        in notes
    )
    assert any(
        note.startswith("API_TOKEN may be a secret, and stands in this file as the release has it")
        for note in notes
    )


def test_what_may_be_a_secret_is_not_shown() -> None:
    head = {
        "containerEnv": [
            {"name": "DATABASE_URL", "value": "postgres://u:geheim@db/x"},
            {"name": "HF_TOKEN", "value": "geheim"},
        ],
        "rayStartParams": {"redis-password": "geheim"},
    }
    cluster = cluster_settings({"head": head, "worker": {"disabled": True}})
    shown, names = hide_secrets({"imagePullSecrets": ["registry"], "clusters": {"raycluster": cluster}})
    assert "geheim" not in str(shown)
    assert names == ["DATABASE_URL", "HF_TOKEN", "redis-password"]


def test_a_password_among_the_flags_is_refused_and_not_said(helm: Helm) -> None:
    (version, *_) = ALL
    with pytest.raises(StackError) as refused:
        adopted(helm, version, {"raycluster": {"head": {"rayStartParams": {"redis-password": "geheim"}}}})
    assert "head.rayStartParams.redis-password: [secret] must not be readable in the stack file" in str(
        refused.value
    )
    assert "geheim" not in str(refused.value)


def test_a_password_that_stands_in_a_release_as_text_has_to_move_first(helm: Helm) -> None:
    with pytest.raises(
        StackError,
        match=r"^raycluster: the Redis password stands in the release as text, which no stack file may have",
    ):
        adopted(
            helm,
            "1.6.2",
            {
                "raycluster": {
                    "gcsFaultTolerance": {
                        "enabled": True,
                        "redisAddress": "r:6379",
                        "redisPassword": {"value": "x"},
                    }
                }
            },
        )


def test_an_operator_alone_brings_no_network_policy_to_the_clusters_beside_it(helm: Helm) -> None:
    (version, *_) = ALL
    assert adopted(helm, version, {}, {}).config["protection"]["networkPolicy"] == {"enabled": False}


def test_a_later_version_than_any_known_one_is_refused_by_release(helm: Helm) -> None:
    (version, charts), *_ = ALL.items()
    found = by_hand(helm, charts, "ray-cluster", "raycluster", version, {})
    with pytest.raises(StackError) as refused:
        adopt([replace(found, version="1.8.0")], helm, {}, lambda _: None)
    assert (
        str(refused.value)
        == "only versions of KubeRay up to 1.7.0 can be adopted, and later ones are: raycluster (1.8.0)"
    )
