"""Whose a Helm release is, read from its record."""

from kuberay.live.takeover.marks import marked_values, read_record, without_mark
from tests.unit.kuberay.live.takeover.records import OURS, VALUES, record, secret


def test_a_record_tells_whose_it_is_and_what_it_was_made_from() -> None:
    read = record("deployed", 3)
    assert (read.secret, read.release, read.revision, read.status) == (
        "sh.helm.release.v1.ray.v3",
        "ray",
        3,
        "deployed",
    )
    assert (read.stack, read.values) == (OURS, VALUES)
    assert [found["kind"] for found in read.objects] == ["RayCluster", "ConfigMap"]


def test_a_record_of_a_release_without_values_is_read_too() -> None:
    assert read_record(secret(values=None)).stack is None


def test_the_mark_leaves_the_owners_values_as_they_are() -> None:
    values = {"global": {"imageRegistry": "example"}, "head": {}}
    assert without_mark(marked_values(values, OURS)) == values
    assert without_mark(marked_values(VALUES, OURS)) == VALUES
