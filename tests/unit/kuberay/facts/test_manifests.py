"""What Helm renders is read as Kubernetes reads it."""

import pytest

from kuberay.facts.manifests import read_manifests


def test_texts_that_go_writes_without_quotes_are_texts() -> None:
    # As `toYaml` of Helm 3.18 writes these values of variables.
    text = "kind: A\nenv: [{value: =}, {value: 2001-13-45}, {value: <<}, {value: '1:30'}]\n---\n# nothing\n"
    assert read_manifests(text) == [
        {"kind": "A", "env": [{"value": "="}, {"value": "2001-13-45"}, {"value": "<<"}, {"value": "1:30"}]}
    ]


def test_nothing_is_told_of_what_is_no_yaml() -> None:
    with pytest.raises(ValueError, match=r"^a manifest is no YAML \(line 3\)$"):
        read_manifests("kind: A\nvalue: 'hunter2\n")
