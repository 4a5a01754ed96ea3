"""What the kind of an object tells."""

import pytest

from kuberay.facts.objects import plural


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Namespace", "namespaces"),
        ("NetworkPolicy", "networkpolicies"),
        ("Ingress", "ingresses"),
        ("RayJob", "rayjobs"),
    ],
)
def test_a_kind_is_found_by_its_plural(kind: str, path: str) -> None:
    assert plural(kind) == path
