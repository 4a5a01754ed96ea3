"""Every field of KubeRay's resources can be set through the settings, at the versions
whose CRDs are at hand.
"""

from collections.abc import Iterable

import pytest

from kuberay.checks.loading import SettingsError
from kuberay.live.crds.schemas import refused_values
from kuberay.plan.dry_run import questions
from tests.crd_fields import EACH, VERSIONS, WHOSE, Field, fields, plan_with, pod_fields, schema_of, value_at

#: What no service may have, whoever writes it: the two clusters of an upgrade would
#: share it.
REFUSED = {"RayService": ["rayClusterConfig.gcsFaultToleranceOptions.externalStorageNamespace"]}


def lost(kind: str, version: str, every: Iterable[Field]) -> list[str]:
    """The fields that do not come out as they are set, or are refused."""
    found: list[str] = []
    for field in every:
        try:
            rendered = questions(plan_with(kind, version, field.spec), WHOSE[kind])[0].manifest["spec"]
        except SettingsError as error:
            found.append(f"{field.name}: {error}")
            continue
        if value_at(rendered, field.path) != field.value:
            found.append(field.name)
    return found


@pytest.mark.parametrize(("kind", "version"), EACH)
def test_every_field_of_a_spec_comes_out_as_it_is_set(kind: str, version: str) -> None:
    every = list(fields(kind, version))
    assert len(every) > 100
    assert [line.partition(":")[0] for line in lost(kind, version, every)] == REFUSED.get(kind, []), lost(
        kind, version, every
    )
    assert [list(refused_values(field.spec, schema_of(kind, version))) for field in every] == [[]] * len(
        every
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_of_a_pod_template_comes_out_as_it_is_set(version: str) -> None:
    every = list(pod_fields(version))
    assert len(every) > 500
    assert lost("RayCluster", version, every) == []
