"""Lays a request's settings over this clone, as data:
`python -m commands.preview.pull_request --commit 0123…`.

What a merge of the commit into what is checked out here would change is told apart.
Settings of stacks, and the values files that they name, are written into the work tree,
where a preview reads them. The rest waits for an approval and is named: the request's
own code, settings that choose what a run executes, whom it asks or how it decrypts, and
encrypted values that main does not have at the same place. Nothing of the request is
run.

`--with-code` lays all of it over the clone, for a run that someone has approved. On
GitHub a private repository's commit is fetched with the token in `GITHUB_TOKEN`.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from commands.preview.meaning.report import LeftOut
from commands.stack.cli import PROGRAM
from commands.stack.command import command_parser
from kuberay.facts.visible import log_line, visible
from kuberay.settings.stack import PROJECT

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_STACK_FILE = re.compile(r"Pulumi\.[\w-]+\.yaml")
#: No hidden folder, nothing outside of the project, no project file.
_VALUES_FILE = re.compile(r"(\w[\w.-]*/)*(?!Pulumi\.)\w[\w.-]*\.ya?ml")
#: Nothing of this has a part in what a run does.
_BESIDE_CODE = re.compile(r"(docs|tests|examples|bench)/.*|[^/]*\.md|LICENSE")
#: How Pulumi writes an encrypted value: a map with this key.
_SECURE = "secure"

Entries = dict[str, tuple[yaml.Node, yaml.Node]]
"""A YAML mapping's keys and values, by the key's text."""


class RequestError(Exception):
    """Why nothing can be taken of the request, in one line."""


class _NotDataError(Exception):
    """Why a stack file is not taken, for a reviewer."""


@dataclass(frozen=True)
class Tree:
    """The files of a commit, or of a merge that nobody has made yet."""

    objects: Mapping[str, tuple[str, str]]
    """By path: the mode and the object."""
    read: Callable[[str], bytes]
    """The content of an object."""

    def text(self, path: str) -> str | None:
        """What a regular file holds; None for anything else, a symbolic
        link above all.
        """
        mode, blob = self.objects.get(path, ("", ""))
        try:
            return self.read(blob).decode() if mode in ("100644", "100755") else None
        except UnicodeDecodeError:
            return None


@dataclass
class Taken:
    """What a preview by main's code may see of a request."""

    files: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    """By path: what to write, or None for a stack file that the request deletes."""
    waiting: list[str] = field(default_factory=list[str])
    """What is left out until someone approves it: files, and settings of stack files.
    """


def main() -> None:
    parser = command_parser("commands.preview.pull_request", __doc__)
    parser.add_argument("--commit", required=True, help="the request's newest commit, in full")
    parser.add_argument("--with-code", action="store_true", help="lay all of it over the clone, its code too")
    parser.add_argument(
        "--note", type=Path, help="where to say what waits, if anything does, for `make join`"
    )
    given = parser.parse_args()
    try:
        clone = Clone(PROGRAM)
        merged = clone.merge(given.commit)
        if given.with_code:
            clone.check_out(merged)
            print(log_line(f"{given.commit} is merged into this clone, with its code"))
            return
        taken = take(clone.tree("HEAD"), clone.tree(merged))
    except RequestError as error:
        sys.exit(log_line(f"error: {error}"))
    write(taken.files, PROGRAM)
    for path in taken.files:
        print(log_line(f"data of the request: {path}"))
    for what in taken.waiting:
        print(log_line(f"waits for an approval: {what}"))
    if given.note and taken.waiting:
        given.note.parent.mkdir(parents=True, exist_ok=True)
        # Git has names that are no text, and JSON has not.
        given.note.write_text(
            LeftOut(commit=given.commit, waiting=[*map(visible, taken.waiting)]).model_dump_json()
        )


def take(main: Tree, merged: Tree) -> Taken:
    """Tells the data of a request from what waits for an approval."""
    paths = sorted({*main.objects, *merged.objects})
    changed = [path for path in paths if main.objects.get(path) != merged.objects.get(path)]
    taken = Taken()
    named: set[str] = set()
    # Also those that do not change: a values file may change alone.
    for path in filter(_STACK_FILE.fullmatch, merged.objects):
        try:
            text, held = data_alone(merged.text(path), main.text(path))
            named |= _values_files(text, merged)
        except _NotDataError as reason:
            if path in changed:
                taken.waiting.append(f"{path}: {reason}")
                changed.remove(path)
            continue
        if path in changed:
            taken.files[path] = text
            taken.waiting += [f"{path}: {key}" for key in held]
            changed.remove(path)
    for path in changed:
        if path in named:
            taken.files[path] = merged.text(path)
        elif _STACK_FILE.fullmatch(path) and path not in merged.objects:
            taken.files[path] = None
        elif not _BESIDE_CODE.fullmatch(path):
            taken.waiting.append(path)
    return taken


def data_alone(text: str | None, mains: str | None) -> tuple[str, list[str]]:
    """A stack file with nothing but data of the request's, and the keys for which
    main's entries stand in.

    It is written anew from what is read here: no other YAML reader finds in it what
    this one has not seen.

    Raises:
        _NotDataError: it cannot be read.
    """
    asked, known = _document(text), _document(mains) if mains is not None else {}
    # A new stack brings the salt that its secrets are encrypted with.
    is_data = ("encryptionsalt",) if mains is None else ()
    configs = _entries(asked.pop("config", None)), _entries(known.pop("config", None))
    merged, held_settings = _merge(*configs, _is_data)
    secrets = _SecretsOfMain()
    settings = secrets.alone(merged, configs[1])
    others, held = _merge(asked, known, lambda key: key in is_data)
    config = (yaml.ScalarNode("tag:yaml.org,2002:str", "config"), _mapping(settings))
    return _text(_mapping({**others, "config": config})), [*held, *held_settings, *secrets.held]


def _is_data(setting: str) -> bool:
    # Providers' settings can run programs: a kubeconfig names one that fetches a token.
    # Charts are programs of Helm's. Pulumi reads `kuberay:config:chartRepository` as
    # `kuberay:chartRepository`.
    return re.fullmatch(rf"{PROJECT}:\w+", setting) is not None and setting != f"{PROJECT}:chartRepository"


def _merge(asked: Entries, known: Entries, is_data: Callable[[str], bool]) -> tuple[Entries, list[str]]:
    """The request's data with main's entries of all other keys, and those of these keys
    that differ.
    """
    merged: Entries = {}
    held: list[str] = []
    for key in dict.fromkeys([*asked, *known]):
        if not is_data(key) and _value(asked.get(key)) != _value(known.get(key)):
            held.append(key)
        if entry := (asked if is_data(key) else known).get(key):
            merged[key] = entry
    return merged, held


class _SecretsOfMain:
    """Takes encrypted values where main has the same at the same place: moved to
    another, one shows in a name or an error.
    """

    def __init__(self) -> None:
        self.held: list[str] = []
        """The places where main's value stands in, or none."""
        self._seen: set[int] = set()

    def alone(self, asked: Entries, known: Entries, above: str = "") -> Entries:
        """The entries without other encrypted values."""
        kept: Entries = {}
        for key, (name, value) in asked.items():
            if (node := self._value(value, known[key][1] if key in known else None, above + key)) is not None:
                kept[key] = (name, node)
        return kept

    def _value(self, asked: yaml.Node, known: yaml.Node | None, place: str) -> yaml.Node | None:
        if not _holds_secret(asked) or (known is not None and _text(asked) == _text(known)):
            return asked
        below = _entries_of(asked)
        # Aliases of YAML make one node stand in many places, and within itself.
        if _SECURE in below and _scalars(below) == _scalars(_entries_of(known)):
            return asked
        if _SECURE in below or id(asked) in self._seen:
            self.held.append(place)
            return known
        self._seen.add(id(asked))
        if isinstance(asked, yaml.MappingNode):
            return _mapping(self.alone(below, _entries_of(known), f"{place}."))
        items: list[yaml.Node] = asked.value
        there: list[yaml.Node] = known.value if isinstance(known, yaml.SequenceNode) else []
        kept = [
            self._value(item, there[number] if number < len(there) else None, f"{place}[{number}]")
            for number, item in enumerate(items)
        ]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [item for item in kept if item is not None])


def _scalars(entries: Entries) -> dict[str, Any]:
    return {key: value.value for key, (_, value) in entries.items()}


def _holds_secret(node: yaml.Node) -> bool:
    """Whether Pulumi may find something to decrypt in it: a map with the
    key `secure`.
    """
    left, seen = [node], set[int]()
    while left:
        if id(one := left.pop()) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.MappingNode):
            if _SECURE in _entries_of(one):
                return True
            left += [node for pair in one.value for node in pair]
        elif isinstance(one, yaml.SequenceNode):
            left += one.value
    return False


def _document(text: str | None) -> Entries:
    if text is None:
        raise _NotDataError("is no regular file of text")
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        raise _NotDataError("is no YAML that can be read") from None
    return _entries_of(node)


def _entries(entry: tuple[yaml.Node, yaml.Node] | None) -> Entries:
    return _entries_of(entry[1] if entry else None)


def _entries_of(node: yaml.Node | None) -> Entries:
    pairs: list[tuple[yaml.Node, yaml.Node]] = node.value if isinstance(node, yaml.MappingNode) else []
    return {key.value: (key, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)}


def _mapping(entries: Entries) -> yaml.Node:
    return yaml.MappingNode("tag:yaml.org,2002:map", [*entries.values()])


def _value(entry: tuple[yaml.Node, yaml.Node] | None) -> str | None:
    return _text(entry[1]) if entry else None


def _text(node: yaml.Node) -> str:
    return yaml.serialize(node, Dumper=yaml.SafeDumper, width=1000)


def _values_files(text: str, merged: Tree) -> set[str]:
    """The values files that a stack file names, each of them a file of the project.

    Raises:
        _NotDataError: it names something else, which a preview would read and show.
    """
    try:
        found = list(_named_values_files(yaml.safe_load(text), set()))
    except (yaml.YAMLError, RecursionError, ValueError):
        raise _NotDataError("is no YAML that can be read") from None
    if any(getattr(event, "tag", None) for event in yaml.parse(text, yaml.SafeLoader)):
        raise _NotDataError("has a tag such as !!binary, which each reader of YAML takes in its own way")
    for file in found:
        if not isinstance(file, str) or not _VALUES_FILE.fullmatch(file) or merged.text(file) is None:
            raise _NotDataError("has a valuesFile that is no YAML file of the project")
    return {str(file) for file in found}


def _named_values_files(value: Any, seen: set[int]) -> Iterator[Any]:
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        # Pulumi takes a map that is written as JSON, too.
        try:
            value = json.loads(value)
        except ValueError:
            return
    # Aliases of YAML make one object stand in many places.
    elif id(value) in seen:
        return
    if isinstance(value, dict):
        seen.add(id(value))
        for key, below in value.items():
            if key == "valuesFile":
                yield below
            yield from _named_values_files(below, seen)
    elif isinstance(value, list):
        seen.add(id(value))
        for below in value:
            yield from _named_values_files(below, seen)


def write(files: Mapping[str, str | None], folder: Path) -> None:
    """The request's data, over what is checked out."""
    for path, text in files.items():
        target = folder / path
        target.unlink(missing_ok=True)
        if text is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


class Clone:
    """The repository that is checked out here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def merge(self, commit: str) -> str:
        """The tree that merging the commit into what is checked out makes.

        Raises:
            RequestError: there is no such commit, or it conflicts.
        """
        if not _COMMIT.fullmatch(commit):
            raise RequestError("--commit is no commit in full: 40 digits of 0-9 and a-f")
        fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "origin", commit]
        fetched = self._git(*fetch, environment=_login())
        if fetched.returncode:
            raise RequestError(f"{commit} cannot be fetched: {_last_line(fetched.stderr)}")
        merged = self._git("merge-tree", "--write-tree", "HEAD", commit)
        if merged.returncode == 1:
            raise RequestError(f"{commit} conflicts with what is checked out here: rebase it")
        if merged.returncode:
            raise RequestError(f"{commit} cannot be merged: {_last_line(merged.stderr)}")
        return merged.stdout.decode().split("\n")[0]

    def tree(self, name: str) -> Tree:
        """The files of a commit or tree."""
        lines = self._ask("ls-tree", "-r", "-z", name).decode(errors="surrogateescape").split("\0")
        # `<mode> <type> <object>`, a tab, the path
        listed = [(*line.partition("\t")[0].split(), line.partition("\t")[2]) for line in filter(None, lines)]
        return Tree(
            {path: (mode, blob) for mode, _, blob, path in listed},
            lambda blob: self._ask("cat-file", "blob", blob),
        )

    def check_out(self, tree: str) -> None:
        self._ask("read-tree", "-u", "--reset", tree)

    def _ask(self, *arguments: str) -> bytes:
        done = self._git(*arguments)
        if done.returncode:
            raise RequestError(f"git {arguments[0]} failed: {_last_line(done.stderr)}")
        return done.stdout

    def _git(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            env=os.environ | (environment or {}),
            capture_output=True,
            check=False,
        )


def _login() -> dict[str, str]:
    """The runner's token, for this one host and in no list of processes."""
    token, host = os.environ.get("GITHUB_TOKEN"), os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    if not token:
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{host}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"


if __name__ == "__main__":
    main()
