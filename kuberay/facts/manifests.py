"""Manifests as Helm writes them, read as Kubernetes reads them."""

from typing import Any

import yaml

from kuberay.facts.objects import Object

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """YAML without what Go's reader takes for text and writes without quotes: `=`,
    `<<`, and dates that are none.
    """


for _kind in ("value", "merge", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Base.construct_yaml_str)


def read_manifests(text: str) -> list[Object]:
    """The objects in a text.

    Raises:
        ValueError: it is no YAML; what a parser says of it would quote it.
    """
    try:
        found = list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"a manifest is no YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    return [one for one in found if isinstance(one, dict) and one.get("kind")]
