"""What Helm renders of the old and of the new values of a release, and what is
different. Secrets are placeholders in both.

Pulumi's own preview shows values alone, which do not tell what a chart makes of them.
"""

import copy
import difflib
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from commands.preview.meaning.hiding import hidden_alike
from commands.preview.meaning.release_values import name_of
from commands.preview.meaning.report import ManifestDiff, StackReport
from commands.preview.meaning.steps import Properties, Step
from commands.stack.cli import StackError
from commands.stack.helm import Helm
from kuberay.facts.addresses import Login, split_login
from kuberay.facts.chart_source import ChartSource
from kuberay.facts.charts import RELEASE
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.facts.manifests import read_manifests
from kuberay.facts.objects import Object
from kuberay.facts.phrases import SECRET
from kuberay.live.charts.contents import ChartError
from kuberay.settings.stack import PROJECT

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
#: The setting, by its whole key.
CHART_REPOSITORY = f"{PROJECT}:chartRepository"
_NAME = "<its name>"
#: Values that templates range over: a list has to stay one.
_LISTS = ("containerEnv", "env")

Objects = dict[str, str]
"""YAML by kind and name."""
Logins = Mapping[str, Login]
"""By the address that each is for: the release of before may have another one, which
must not get it.
"""


def add_manifests(
    report: StackReport, steps: Iterable[Step], helm: Helm, repository: Callable[[], str]
) -> None:
    """Fills in the difference of each release that changes. Releases with the same
    change, but for their names, are rendered once.

    ``repository``: the setting `chartRepository`, whose login no preview shows.
    """
    releases = {
        step.name: step
        for step in steps
        if step.type == RELEASE and step.operation not in ("adopt", "delete")
    }
    distinct: dict[str, list[Step]] = {}
    for step in releases.values():
        if _is_readable(step):
            distinct.setdefault(_what_changes(step), []).append(step)
        else:
            report.unknown.append(
                f"the rendered manifests of {step.name}: all of its Helm values are encrypted"
            )
    try:
        sides = [side for steps in distinct.values() for side in (steps[0].old, steps[0].new) if side]
        logins = _logins(repository()) if any(map(_asks_for_login, sides)) else {}
        helm.fetch(_chart(side, logins) for side in sides)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            rendered = list(threads.map(lambda steps: _diff(steps[0], helm, logins), distinct.values()))
    except (ChartError, StackError, OSError, subprocess.TimeoutExpired) as error:
        report.unknown.append(f"the rendered manifests: {error}")
        return
    of = {
        step.name: ManifestDiff(rendered_for=steps[0].name, lines=lines)
        for steps, lines in zip(distinct.values(), rendered, strict=True)
        for step in steps
    }
    for change in (*report.ray, *report.others):
        if change.name in of and getattr(change, "kind", None) in ("cluster", "Helm release"):
            change.manifests = of[change.name]


def diff(old: Objects, new: Objects) -> list[str]:
    """A unified diff, object by object."""
    written: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, "").splitlines(), new.get(name, "").splitlines()
        if before != after:
            hunks = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
            written.append(f"@@ {name} @@")
            written += ["…" if line.startswith("@@") else line for line in hunks[1:]]
    return written


def _diff(step: Step, helm: Helm, logins: Logins) -> list[str]:
    hidden = hidden_alike(step.old.get("values"), step.new.get("values"))
    old = step.old and {**step.old, "values": hidden}
    return diff(*(_render(side, helm, logins) if side else {} for side in (old, step.new)))


def _render(release: Properties, helm: Helm, logins: Logins) -> Objects:
    namespace, values = str(release.get("namespace") or "default"), _renderable(release.get("values"))
    return dict(_objects(helm.render(str(release["name"]), namespace, _chart(release, logins), values)))


def _chart(release: Properties, logins: Logins) -> ChartSource:
    chart, version = str(release["chart"]), release.get("version") or None
    repository = (release.get("repositoryOpts") or {}).get("repo")
    if not repository:
        return ChartSource(chart, version, None)
    # States of before have the login in the address.
    address, written = split_login(str(repository))
    return ChartSource(chart, version, address, logins.get(address) if _asks_for_login(release) else written)


def _logins(repository: str) -> Logins:
    address, login = split_login(repository)
    return {address: login} if login else {}


def _asks_for_login(release: Properties) -> bool:
    return "username" in (release.get("repositoryOpts") or {})


def _is_readable(step: Step) -> bool:
    return all(isinstance(side.get("values"), Mapping) for side in (step.old, step.new) if side)


def _what_changes(step: Step) -> str:
    """The same text for two releases that change alike and differ in their
    names only.
    """
    sides = [
        side and [vars(_chart(side, {})), _nameless(_renderable(side.get("values")), step.name)]
        for side in (step.old, step.new)
    ]
    return json.dumps(sides, sort_keys=True)


def _nameless(values: Any, release: str) -> Any:
    names = {release, name_of(values) or release}

    def without(tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {key: without(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [without(value) for value in tree]
        return _NAME if tree in names else tree

    return without(values)


def _renderable(values: Any) -> dict[str, Any]:
    """Without the program's own marks, which change with everything. A secret list is
    one that a template can range over.
    """

    def cleaned(tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {
                key: [{"name": SECRET, "value": SECRET}]
                if value == SECRET and key in _LISTS
                else cleaned(value)
                for key, value in tree.items()
                if key not in (TEMPLATE_ANNOTATION, "global")
            }
        return [cleaned(value) for value in tree] if isinstance(tree, list) else tree

    return cleaned(copy.copy(values or {}))


def _objects(text: str) -> Iterator[tuple[str, str]]:
    for found in read_manifests(text):
        yield (
            f"{found['kind']} {found['metadata']['name']}",
            yaml.dump(_hide_data(found), Dumper=_Dumper, width=1000),
        )


def _hide_data(found: Object) -> dict[str, Any]:
    hidden = ("data", "stringData") if found["kind"] == "Secret" else ()
    return {key: SECRET if key in hidden else value for key, value in found.items()}
