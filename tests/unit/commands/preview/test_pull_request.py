"""Of a pull request its settings are taken as data; what would run something waits for
an approval.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from commands.preview.pull_request import Clone, RequestError, Taken, Tree, take, write

STACK = """\
encryptionsalt: v1:salt
config:
  kuberay:architecture: x86
  kubernetes:context: prod
"""
REFUSED = "has a valuesFile that is no YAML file of the project"
LINK = "\0"
"""Stands before the target of a symbolic link in `tree`."""


def tree(files: dict[str, str]) -> Tree:
    modes = {path: "120000" if text.startswith(LINK) else "100644" for path, text in files.items()}
    return Tree(
        {path: (modes[path], text) for path, text in files.items()},
        lambda blob: blob.removeprefix(LINK).encode(),
    )


def request(main: dict[str, str], changed: dict[str, str | None]) -> Taken:
    merged = main | changed
    return take(tree(main), tree({path: text for path, text in merged.items() if text is not None}))


def test_a_stacks_settings_are_data() -> None:
    taken = request({"Pulumi.dev.yaml": STACK}, {"Pulumi.dev.yaml": STACK.replace("x86", "aarch64")})
    assert taken == Taken({"Pulumi.dev.yaml": STACK.replace("x86", "aarch64")}, [])


def test_texts_and_numbers_stay_as_they_are_written() -> None:
    settings = """\
config:
  kuberay:pythonVersion: "3.10"
  kuberay:rayVersion: 2.46.0
  kuberay:timeoutSeconds: 0x10
  kuberay:authToken:
    secure: v1:abc:def==
  kuberay:services:
    a:
      at: 12:30
      flag: yes
      nothing: ~
      text: |
        two
        lines
"""
    main = "config:\n  kuberay:authToken: {secure: 'v1:abc:def=='}\n"
    taken = request({"Pulumi.dev.yaml": main}, {"Pulumi.dev.yaml": settings})
    assert taken == Taken({"Pulumi.dev.yaml": settings}, [])


SECRETIVE = """\
config:
  kuberay:namespace: ray
  kuberay:authToken: {secure: v1:token}
  kuberay:clusters:
    a:
      head:
        env:
          KEY: {secure: v1:key}
      values:
        head:
          containerEnv:
          - {name: A, value: {secure: v1:a}}
"""


@pytest.mark.parametrize(
    ("old", "new", "held", "stands"),
    [
        ("namespace: ray", "namespace: {secure: v1:token}", "kuberay:namespace", "ray"),
        ("namespace: ray", "image: {secure: v1:token}", "kuberay:image", None),
        ("namespace: ray", "namespace: {<<: {secure: v1:token}}", "kuberay:namespace.<<", {}),
        ("namespace: ray", "namespace: {? 'secure' : v1:token, secure: v1:key}", "kuberay:namespace", "ray"),
        ("v1:token", "v1:key", "kuberay:authToken", {"secure": "v1:token"}),
    ],
)
def test_an_encrypted_value_that_main_does_not_have_there_waits(
    old: str, new: str, held: str, stands: object
) -> None:
    taken = request({"Pulumi.dev.yaml": SECRETIVE}, {"Pulumi.dev.yaml": SECRETIVE.replace(old, new, 1)})
    assert taken.waiting == [f"Pulumi.dev.yaml: {held}"]
    config = yaml.safe_load(taken.files["Pulumi.dev.yaml"] or "")["config"]
    assert config.get(held.removesuffix(".<<")) == stands


def test_an_encrypted_value_waits_wherever_in_a_setting_it_is_moved() -> None:
    asked = SECRETIVE.replace(
        "{name: A, ", "{name: B, value: {secure: v1:key}}\n          - {name: A, "
    ).replace(
        "      head:", "      name: &a {secure: v1:a}\n      worker: {cpu: 1, memory: *a}\n      head:", 1
    )
    taken = request({"Pulumi.dev.yaml": SECRETIVE}, {"Pulumi.dev.yaml": asked})
    inside = [
        "name",
        "worker.memory",
        "values.head.containerEnv[0].value",
        "values.head.containerEnv[1].value",
    ]
    assert taken.waiting == [f"Pulumi.dev.yaml: kuberay:clusters.a.{place}" for place in inside]
    config = yaml.safe_load(taken.files["Pulumi.dev.yaml"] or "")["config"]
    assert config["kuberay:clusters"]["a"] == {
        "worker": {"cpu": 1},
        "head": {"env": {"KEY": {"secure": "v1:key"}}},
        "values": {"head": {"containerEnv": [{"name": "B", "value": {"secure": "v1:a"}}, {"name": "A"}]}},
    }


def test_a_change_beside_encrypted_values_is_data() -> None:
    asked = SECRETIVE.replace("        env:", "        cpu: 2\n        env:")
    taken = request({"Pulumi.dev.yaml": SECRETIVE}, {"Pulumi.dev.yaml": asked})
    assert taken.waiting == []
    assert yaml.safe_load(taken.files["Pulumi.dev.yaml"] or "") == yaml.safe_load(asked)


def test_an_encrypted_value_of_a_new_stack_waits() -> None:
    assert request({}, {"Pulumi.new.yaml": SECRETIVE}).waiting == [
        "Pulumi.new.yaml: kuberay:authToken",
        "Pulumi.new.yaml: kuberay:clusters.a.head.env.KEY",
        "Pulumi.new.yaml: kuberay:clusters.a.values.head.containerEnv[0].value",
    ]


def test_the_name_of_a_values_file_is_taken_from_no_encrypted_value() -> None:
    taken = request({}, {"Pulumi.dev.yaml": names("{secure: v1:abc}")})
    assert taken == Taken(
        {"Pulumi.dev.yaml": "config:\n  kuberay:clusters:\n    a: {}\n"},
        ["Pulumi.dev.yaml: kuberay:clusters.a.valuesFile"],
    )


def test_a_stack_file_with_tags_is_not_taken() -> None:
    asked = SECRETIVE.replace("namespace: ray", "namespace: {!!binary c2VjdXJl: v1:token}")
    reason = "has a tag such as !!binary, which each reader of YAML takes in its own way"
    assert request({"Pulumi.dev.yaml": SECRETIVE}, {"Pulumi.dev.yaml": asked}) == Taken(
        {}, [f"Pulumi.dev.yaml: {reason}"]
    )


def test_aliases_with_an_encrypted_value_take_no_time() -> None:
    levels = "".join(f"    l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
    asked = (
        "config:\n  kuberay:clusters:\n    l0: &l0 [{secure: x}]\n    own: &own [*own, {secure:"
        f" x}}]\n{levels}"
    )
    assert len(request({}, {"Pulumi.dev.yaml": asked}).waiting) < 400


def test_code_waits_whatever_it_is() -> None:
    code = [
        "Makefile",
        "Pulumi.yaml",
        "__main__.py",
        "requirements.txt",
        ".github/workflows/preview.yml",
        "sub/Pulumi.dev.yaml",
        "values.yaml",
    ]
    assert request({}, dict.fromkeys(code, "x")) == Taken({}, sorted(code))
    assert request(dict.fromkeys(code, "x"), dict.fromkeys(code)) == Taken({}, sorted(code))


def test_what_no_run_uses_waits_for_nobody() -> None:
    assert (
        request(
            {},
            dict.fromkeys(
                ["README.md", "docs/security.md", "tests/unit/test_a.py", "examples/Pulumi.a.yaml"], "x"
            ),
        )
        == Taken()
    )


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("kubernetes:kubeconfig", "kubernetes:kubeconfig: '{users: [{user: {exec: {command: sh}}}]}'"),
        ("kubernetes:context", "kubernetes:context: other"),
        ("pulumi:disable-default-providers", "pulumi:disable-default-providers: [kubernetes]"),
        ("kuberay:chartRepository", "kuberay:chartRepository: https://charts.example"),
        ("kuberay:config:chartRepository", "kuberay:config:chartRepository: https://charts.example"),
        ("<<", "<<: {kuberay:chartRepository: https://charts.example}"),
    ],
)
def test_settings_that_choose_what_runs_stay_mains_until_someone_approves(key: str, line: str) -> None:
    asked = f"config:\n  {line}\n  kuberay:rayVersion: 2.52.0\n"
    taken = request({"Pulumi.dev.yaml": STACK}, {"Pulumi.dev.yaml": asked})
    waiting = {"encryptionsalt", "kubernetes:context", key}
    assert set(taken.waiting) == {f"Pulumi.dev.yaml: {one}" for one in waiting}
    assert {path: yaml.safe_load(text or "") for path, text in taken.files.items()} == {
        "Pulumi.dev.yaml": {
            "encryptionsalt": "v1:salt",
            "config": {"kuberay:rayVersion": "2.52.0", "kubernetes:context": "prod"},
        }
    }


@pytest.mark.parametrize("key", ["secretsprovider", "encryptedkey", "environment", "encryptionsalt"])
def test_how_secrets_are_decrypted_stays_mains(key: str) -> None:
    asked = f"{key}: theirs\n" + STACK.removeprefix(
        "encryptionsalt: v1:salt\n" if key == "encryptionsalt" else ""
    )
    taken = request({"Pulumi.dev.yaml": STACK}, {"Pulumi.dev.yaml": asked})
    assert taken.waiting == [f"Pulumi.dev.yaml: {key}"]
    assert taken.files["Pulumi.dev.yaml"] == STACK


def test_a_new_stack_brings_its_salt_and_its_settings() -> None:
    taken = request({}, {"Pulumi.new.yaml": f"secretsprovider: awskms://theirs\n{STACK}"})
    assert taken.files == {
        "Pulumi.new.yaml": "encryptionsalt: v1:salt\nconfig:\n  kuberay:architecture: x86\n"
    }
    assert taken.waiting == ["Pulumi.new.yaml: secretsprovider", "Pulumi.new.yaml: kubernetes:context"]


def test_a_key_that_stands_twice_is_written_once() -> None:
    asked = "config: {kubernetes:context: theirs}\nconfig:\n  kuberay:rayVersion: 2.52.0\n"
    taken = request({"Pulumi.dev.yaml": "config: {}\n"}, {"Pulumi.dev.yaml": asked})
    assert taken.files == {"Pulumi.dev.yaml": "config:\n  kuberay:rayVersion: 2.52.0\n"}


def test_a_stack_file_that_goes_goes() -> None:
    assert request({"Pulumi.dev.yaml": STACK}, {"Pulumi.dev.yaml": None}) == Taken(
        {"Pulumi.dev.yaml": None}, []
    )


@pytest.mark.parametrize(
    "text",
    [
        f"{LINK}/proc/self/environ",
        "config: [",
        "a: 1\n---\nb: 2\n",
        "config: {kuberay:image: !!python/name:os.system x}\n",
    ],
)
def test_a_stack_file_that_is_none_is_not_taken(text: str) -> None:
    taken = request({"Pulumi.dev.yaml": STACK}, {"Pulumi.dev.yaml": text})
    reason = "is no regular file of text" if text.startswith(LINK) else "is no YAML that can be read"
    assert taken == Taken({}, [f"Pulumi.dev.yaml: {reason}"])


def names(file: str) -> str:
    return f"config:\n  kuberay:clusters:\n    a:\n      valuesFile: {file}\n"


def test_the_values_files_that_a_stack_names_are_data() -> None:
    files = {"values/a.yaml": "image: {tag: new}\n", "values/b.yaml": "x"}
    taken = request({}, {"Pulumi.dev.yaml": names("values/a.yaml"), **files})
    assert taken == Taken(
        {"Pulumi.dev.yaml": names("values/a.yaml"), "values/a.yaml": files["values/a.yaml"]},
        ["values/b.yaml"],
    )


def test_a_values_file_that_changes_alone_is_data() -> None:
    main = {"Pulumi.dev.yaml": names("a.yaml"), "a.yaml": "old"}
    assert request(main, {"a.yaml": "new"}) == Taken({"a.yaml": "new"}, [])


@pytest.mark.parametrize(
    "file",
    [
        "/etc/shadow",
        "/etc/some.yaml",
        "../outside.yaml",
        "a/../../outside.yaml",
        "./a.yaml",
        ".git/config",
        ".github/workflows/ci.yml",
        ".github/actions/tools/action.yml",
        "Pulumi.yaml",
        "sub/Pulumi.dev.yaml",
        "__main__.py",
        "missing.yaml",
        "link.yaml",
        "[a.yaml]",
        "~",
    ],
)
def test_no_other_file_is_read_or_overwritten_by_a_values_file(file: str) -> None:
    there: dict[str, str] = dict.fromkeys(
        (
            ".github/workflows/ci.yml",
            ".github/actions/tools/action.yml",
            "Pulumi.yaml",
            "__main__.py",
            "a.yaml",
        ),
        "x",
    )
    changed = {
        **{name: "theirs" for name in there if name == file},
        "link.yaml": f"{LINK}/etc/shadow",
        "Pulumi.dev.yaml": names(file),
    }
    taken = request(there, {**changed})
    assert taken.files == {}
    assert f"Pulumi.dev.yaml: {REFUSED}" in taken.waiting


@pytest.mark.parametrize(
    "text",
    [
        """config: {kuberay:clusters: '{"a": {"valuesFile": "/etc/shadow"}}'}\n""",
        """config: {kuberay:clusters: ' [{"a": "{\\"valuesFile\\": \\"/etc/shadow\\"}"}]'}\n""",
        "config:\n  kuberay:jobs: &a {valuesFile: /etc/shadow}\n  kuberay:clusters: {a: {<<: *a}}\n",
        "config: {kuberay:clusters: {a: &a {b: *a, valuesFile: /etc/shadow}}}\n",
    ],
)
def test_a_values_file_is_found_wherever_it_is_named(text: str) -> None:
    assert request({}, {"Pulumi.dev.yaml": text}) == Taken({}, [f"Pulumi.dev.yaml: {REFUSED}"])


def test_aliases_within_aliases_take_no_time() -> None:
    levels = "".join(f"    l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
    asked = f"config:\n  kuberay:clusters:\n    l0: &l0 [x]\n{levels}"
    assert request({}, {"Pulumi.dev.yaml": asked}).waiting == []


def test_what_is_written_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "a.yaml").symlink_to(outside)
    (folder / "Pulumi.old.yaml").write_text("x")
    write({"a.yaml": "new", "values/b.yaml": "b", "Pulumi.old.yaml": None}, folder)
    assert outside.read_text() == "kept"
    assert {path.name: path.read_text() for path in folder.rglob("*.yaml")} == {
        "a.yaml": "new",
        "b.yaml": "b",
    }


class Repositories:
    """A repository with a request's branch, and a clone of its main."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.clone = folder / "origin", folder / "clone"
        self.origin.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main", folder=self.origin)
        self.commit({"Pulumi.dev.yaml": STACK, "code.py": "main\n"})
        self.git("clone", "--quiet", str(self.origin), str(self.clone), folder=folder)

    def commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            (self.origin / name).write_text(text)
        self.git("add", "--all", folder=self.origin)
        self.git(
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "--quiet",
            "--message",
            "x",
            folder=self.origin,
        )
        return self.git("rev-parse", "HEAD", folder=self.origin)

    def git(self, *arguments: str, folder: Path) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()


@pytest.fixture
def repositories(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path)


def test_what_is_previewed_is_what_a_merge_makes(repositories: Repositories) -> None:
    repositories.git("checkout", "--quiet", "-b", "request", folder=repositories.origin)
    commit = repositories.commit({"Pulumi.dev.yaml": STACK.replace("x86", "aarch64"), "code.py": "theirs\n"})
    repositories.git("checkout", "--quiet", "main", folder=repositories.origin)
    # Main goes on, and is not undone by an older request.
    repositories.commit({"newer.py": "main\n"})
    repositories.git("pull", "--quiet", folder=repositories.clone)
    clone = Clone(repositories.clone)
    merged = clone.merge(commit)
    taken = take(clone.tree("HEAD"), clone.tree(merged))
    assert taken == Taken({"Pulumi.dev.yaml": STACK.replace("x86", "aarch64")}, ["code.py"])
    assert (repositories.clone / "code.py").read_text() == "main\n"
    clone.check_out(merged)
    assert (repositories.clone / "code.py").read_text() == "theirs\n"
    assert (repositories.clone / "newer.py").exists()


def no_commit(_: Repositories) -> str:
    return "--upload-pack=touch /tmp/x"


def unknown_commit(_: Repositories) -> str:
    return "0" * 40


def conflicting_commit(repositories: Repositories) -> str:
    repositories.git("checkout", "--quiet", "-b", "request", folder=repositories.origin)
    commit = repositories.commit({"code.py": "theirs\n"})
    repositories.git("checkout", "--quiet", "main", folder=repositories.origin)
    repositories.commit({"code.py": "other\n"})
    repositories.git("pull", "--quiet", folder=repositories.clone)
    return commit


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_commit, "--commit is no commit in full: 40 digits of 0-9 and a-f"),
        (unknown_commit, f"{'0' * 40} cannot be fetched: "),
        (conflicting_commit, " conflicts with what is checked out here: rebase it"),
    ],
)
def test_a_commit_that_cannot_be_merged_is_refused(
    repositories: Repositories, make: Callable[[Repositories], str], message: str
) -> None:
    commit = make(repositories)
    with pytest.raises(RequestError) as error:
        Clone(repositories.clone).merge(commit)
    assert message in str(error.value)
