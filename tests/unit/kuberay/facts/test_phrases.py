"""What Kubernetes says of an object is told without what it quotes of it, and no
shorter than that.
"""

import pytest

from kuberay.facts.phrases import without_values


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('[a: Invalid value: "x": bad, b: Duplicate value: "y"]', "[a: Invalid value: [secret]"),
        ('a: Unsupported value: "x": supported values: "y"', "a: Unsupported value: [secret]"),
        (
            'admission webhook "a.corp" denied the request: \n\n  env: x',
            'admission webhook "a.corp" denied the request: [secret]',
        ),
        (
            'error: exec: "x --password=y": executable file not found in $PATH',
            "error: exec: [secret]",
        ),
    ],
)
def test_what_may_be_a_value_is_left_out(said: str, told: str) -> None:
    assert without_values(said) == told


@pytest.mark.parametrize(
    "said",
    [
        'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod)',
        'pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1',
        'strict decoding error: unknown field "spec.affinity.nodeAfinity"',
        'admission webhook "a.corp" denied the request without explanation',
        'configmaps "x" not found',
        "getting credentials: exec: executable aws not found",
    ],
)
def test_what_is_none_is_told_as_it_is(said: str) -> None:
    assert without_values(said) == said
