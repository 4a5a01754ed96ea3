"""What a stack has to say so that it makes of a Helm release what runs already."""

import json
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from commands.adopt.manifests import Objects, differences, objects_of
from commands.adopt.settings_of import (
    Config,
    cluster_settings,
    effective,
    image_settings,
    operator_settings,
    raw_values,
    thin_out,
)
from commands.stack.cli import PROGRAM, StackError
from commands.stack.helm import Helm
from kuberay.checks.loading import SettingsError, load_plan
from kuberay.checks.messages import SECRET_WORD
from kuberay.checks.raw_values import unknown_keys
from kuberay.facts.chart_source import chart_source
from kuberay.facts.charts import OPERATOR_RELEASE, Chart, Values
from kuberay.facts.phrases import SECRET, first_few
from kuberay.facts.versions import NEWEST_KNOWN, KubeRayVersion, is_later
from kuberay.live.takeover.marks import Record
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.operator import OperatorPlan
from kuberay.plan.stack import plan_stack
from kuberay.settings.overrides import without_nulls
from kuberay.settings.stack import PROJECT, StackSettings

#: A login in an address.
_LOGIN = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
#: Settings that are called like secrets.
_NO_SECRETS = ("imagePullSecrets", "tokenAuthentication", "secretName")
_RAY_CHART: Chart = "ray-cluster"
_OPERATOR_CHART: Chart = "kuberay-operator"


@dataclass
class Adoption:
    """The settings of a stack that takes releases over."""

    config: Config
    """By key of the settings, without the project's prefix."""
    notes: list[str] = field(default_factory=list[str])
    """What a person has to know of them, a line each."""
    differences: list[str] = field(default_factory=list[str])
    """Where what the stack makes is not what runs; empty where nothing changes."""


def adopt(releases: Sequence[Record], helm: Helm, kept: Config, report: Callable[[str], None]) -> Adoption:
    """Works out the settings for these releases of one namespace: those of Ray
    clusters, and of the operator if it is among them.

    Args:
        releases: the newest record of each.
        helm: renders what the stack would make of them.
        kept: settings of the stack that stay, such as where charts come from.
        report: takes a line of progress.

    Raises:
        StackError: the settings do not take what was found.
        HelmError: a chart cannot be rendered.
    """
    if later := [f"{one.release} ({one.version})" for one in releases if is_later(one.version)]:
        raise StackError(
            f"only versions of KubeRay up to {NEWEST_KNOWN} can be adopted, and later ones are:"
            f" {first_few(later)}"
        )
    operator = next((one for one in releases if one.chart == _OPERATOR_CHART), None)
    clusters = {one.release: one for one in releases if one.chart == _RAY_CHART}
    newest = operator or next(iter(clusters.values()))
    config, notes = _stack_config(newest, kept, next(iter(clusters.values()), None))
    adoption = Adoption(config, notes)
    if operator is None:
        adoption.config["operator"] = {"install": False}
        adoption.notes.append(
            "there is no release kuberay-operator here: the stack uses the operator that runs, and leaves it"
            " as it is"
        )
    for release in releases:
        report(f"comparing {release.release} with what the stack would make of it")
        _add_release(adoption, release, helm)
        adoption.notes += _notes_of(release)
    others = sorted({one.version for one in clusters.values()} - {str(adoption.config["kuberayVersion"])})
    if adoption.differences and others:
        adoption.differences.append(
            f"the stack has KubeRay {adoption.config['kuberayVersion']} for all, and there are charts of"
            f" {', '.join(others)}: `helm upgrade --version` brings them to one version first"
        )
    _check(adoption.config)
    if found := hide_secrets(adoption.config)[1]:
        adoption.notes.append(
            f"{', '.join(found)} may be a secret, and stands in this file as the release has it: move it into"
            " a Secret of its own, or encrypt it with `pulumi config set --secret --path`, and change it,"
            " for whoever has read it"
        )
    return adoption


def as_stack_config(config: Config) -> dict[str, Any]:
    """The settings as they stand in a stack file, below `config`."""
    return {f"{PROJECT}:{key}": value for key, value in config.items()}


# --- From a release to settings -------------------------------------------------------


def _stack_config(newest: Record, kept: Config, first: Record | None) -> tuple[Config, list[str]]:
    """``first``: of the clusters; its image is the stack's."""
    config: Config = {
        "namespace": newest.namespace,
        "createNamespace": False,
        "kuberayVersion": newest.version,
        **kept,
    }
    # What the stack would add to what runs comes when its owner says so.
    config["protection"] = {
        "networkPolicy": {"enabled": False},
        "podSecurity": "none",
        "tokenAuthentication": "disabled",
    }
    notes = [
        "the namespace stays as it was made: with createNamespace false the stack neither makes nor"
        " deletes it",
        "protection is off, as it is now; once `up` has taken all over, each part of `protection` that is"
        " taken out turns one on",
    ]
    if first is None:
        return config | {"clusters": {}}, notes
    values = effective(first.defaults, first.values)
    image = image_settings(values)
    config |= {"architecture": image.architecture, **image.settings}
    policy = (values.get("image") or {}).get("pullPolicy") or "IfNotPresent"
    secrets = [str(one.get("name")) for one in values.get("imagePullSecrets") or []]
    config |= ({} if policy == "IfNotPresent" else {"imagePullPolicy": policy}) | (
        {"imagePullSecrets": secrets} if secrets else {}
    )
    return config, notes


def _add_release(adoption: Adoption, release: Record, helm: Helm) -> None:
    """The settings of one release, as few raw values as it takes, and where the result
    is not the same.
    """
    wanted = effective(release.defaults, release.values)
    if ((wanted.get("gcsFaultTolerance") or {}).get("redisPassword") or {}).get("value"):
        raise StackError(
            f"{release.release}: the Redis password stands in the release as text, which no stack file may"
            " have; put it into a Secret, name that in"
            " gcsFaultTolerance.redisPassword.valueFrom.secretKeyRef with `helm upgrade`, and adopt the"
            " release then"
        )
    if release.chart == _OPERATOR_CHART:
        place: Config = adoption.config.setdefault("operator", operator_settings(wanted))
    else:
        place = adoption.config.setdefault("clusters", {})[release.release] = _own_image(
            adoption.config, wanted
        ) | cluster_settings(wanted)
    place["adopted"] = {"revision": release.revision, "fingerprint": ""}
    theirs = objects_of(release.manifest)
    version = str(adoption.config["kuberayVersion"])
    source = chart_source(
        release.chart,
        version=version,
        repository=_settings(adoption.config).chart_repository,
        project_folder=PROGRAM,
    )
    helm.fetch([source])

    def with_values(values: Values) -> Objects:
        place.pop("values", None)
        place.update({"values": values} if values else {})
        made = without_nulls(_part(adoption.config, release).values)
        return objects_of(helm.render(release.release, release.namespace, source, made))

    found = raw_values(_part(adoption.config, release).values, wanted, release.defaults)
    fewest = thin_out(found, lambda values: frozenset(differences(theirs, with_values(values))))
    adoption.differences += [
        f"{release.release}: {line}" for line in differences(theirs, with_values(fewest))
    ]
    part = _part(adoption.config, release)
    place["adopted"]["fingerprint"] = part.fingerprint
    if isinstance(part, ClusterPlan):
        place["adopted"] |= {"templates": {group.name: group.fingerprint for group in part.groups}}
    if fewest:
        adoption.notes.append(
            f"{release.release}: told by raw values, as no setting says it: {', '.join(_leaves(fewest))}"
        )


def _own_image(config: Config, wanted: Values) -> Config:
    """A cluster's image, where it is not the first one's."""
    image = image_settings(wanted)
    own = {key: value for key, value in image.settings.items() if config.get(key) != value}
    return own | (
        {} if config["architecture"] == image.architecture else {"architecture": image.architecture}
    )


def _notes_of(release: Record) -> Iterable[str]:
    if release.version in typing.get_args(KubeRayVersion):
        for problem in unknown_keys(release.values, release.chart, release.version):  # pyright: ignore[reportArgumentType]
            value = ".".join(problem.path)
            yield (
                f"{release.release}: value {value} is left out: the chart does not read it, so it does"
                " nothing now either"
            )


def hide_secrets(tree: Any) -> tuple[Any, list[str]]:
    """The config with what looks like a secret hidden, and what it is called."""
    found: dict[str, None] = {}

    def hidden(tree: Any, name: str) -> Any:
        if isinstance(tree, Mapping):
            # Kubernetes has variables as {name: …, value: …}.
            own = str(tree.get("name", ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            return {
                key: hidden(below, own if key == "value" and own else str(key)) for key, below in tree.items()
            }  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if isinstance(tree, list):
            return [hidden(below, name) for below in tree]  # pyright: ignore[reportUnknownVariableType]
        if (
            isinstance(tree, str)
            and tree
            and (_LOGIN.search(tree) or (name not in _NO_SECRETS and SECRET_WORD.search(name)))
        ):
            found[name] = None
            return SECRET
        return tree

    return hidden(tree, ""), list(found)


def _leaves(values: Values, path: str = "") -> Iterable[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{key}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{path}{key}"


# --- From settings to manifests -------------------------------------------------------


def _settings(config: Config) -> StackSettings:
    try:
        return StackSettings.model_validate(config, context={"project_folder": PROGRAM})
    except ValidationError:
        _check(config)
        raise


def _check(config: Config) -> None:
    """Refuses what the program would refuse, in its words."""
    try:
        load_plan(_as_pulumi(config), project_folder=PROGRAM)
    except SettingsError as error:
        raise StackError("the settings do not take what runs:\n  " + "\n  ".join(error.problems)) from None


def _part(config: Config, release: Record) -> OperatorPlan | ClusterPlan:
    """What is planned for a release, without the fingerprints of pods: an adopted group
    has none.
    """
    plan = plan_stack(_settings(config))
    clusters: dict[str, Any] = {}
    for name, cluster in config.get("clusters", {}).items():
        templates = {group.name: group.fingerprint for group in plan.clusters[name].groups}
        clusters[name] = cluster | {"adopted": {"revision": 1, "fingerprint": "", "templates": templates}}
    plan = plan_stack(_settings(config | {"clusters": clusters}))
    return plan.operator if release.chart == _OPERATOR_CHART else plan.clusters[release.release]


def _as_pulumi(config: Config) -> dict[str, str]:
    """As Pulumi hands a stack's config to the program."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in as_stack_config(config).items()
    }


def is_operator_release(record: Record) -> bool:
    """Whether a stack could take it over as its operator."""
    return record.chart == _OPERATOR_CHART and record.release == OPERATOR_RELEASE
