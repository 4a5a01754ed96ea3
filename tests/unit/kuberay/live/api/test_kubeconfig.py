"""The cluster that is asked is the one that the stack's provider changes, which finds it by client-go's rules."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Request
from lightkube import ConfigError, KubeConfig
from lightkube.config.client_adapter import user_auth
from lightkube.config.kubeconfig import SingleConfig

from kuberay.live.api.connection import Connection
from kuberay.live.api.kubeconfig import kube_config

POD = "https://of-the-pod"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, on a machine that is no pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(KubeConfig, "from_service_account", _no_account)
    return tmp_path


@pytest.fixture
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KubeConfig, "from_service_account", lambda: KubeConfig.from_server(POD))


def _no_account() -> KubeConfig:
    raise ConfigError("no token")


def named(kind: str, **things: Any) -> list[dict[str, Any]]:
    return [{"name": name, kind: thing} for name, thing in things.items()]


def config(name: str, **user: Any) -> dict[str, Any]:
    """A kubeconfig with one context, and cluster and user of the same name."""
    return {
        "current-context": name,
        "contexts": named("context", **{name: {"cluster": name, "user": name}}),
        "clusters": named("cluster", **{name: {"server": f"https://{name}"}}),
        "users": named("user", **{name: user or {"token": name}}),
    }


def write(file: Path, content: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def server(kubeconfig: str | None = None, context: str | None = None) -> str:
    return found_by(kubeconfig, context).cluster.server


def found_by(kubeconfig: str | None = None, context: str | None = None, cluster: str | None = None) -> SingleConfig:
    found = kube_config(Connection(kubeconfig, context, cluster))
    assert found
    return found


def test_the_stacks_config_goes_before_everything_else(home: Path, monkeypatch: pytest.MonkeyPatch, in_a_pod: None) -> None:
    write(home / ".kube/config", config("home"))
    monkeypatch.setenv("KUBECONFIG", str(write(home / "env", config("env"))))
    assert server(str(write(home / "mine", config("mine")))) == "https://mine"
    assert server(json.dumps(config("content"))) == "https://content"


def test_a_path_in_the_stacks_config_has_to_be_there(in_a_pod: None) -> None:
    with pytest.raises(ConfigError, match="/no/such/file not found"):
        server("/no/such/file")


def test_the_file_at_home_goes_before_the_account_of_the_pod(home: Path, in_a_pod: None) -> None:
    write(home / ".kube/config", config("home"))
    assert server() == "https://home"


def test_the_variable_goes_before_the_file_at_home(home: Path, monkeypatch: pytest.MonkeyPatch, in_a_pod: None) -> None:
    write(home / ".kube/config", config("home"))
    monkeypatch.setenv("KUBECONFIG", str(write(home / "env", config("env"))))
    assert server() == "https://env"


@pytest.mark.parametrize("current", [None, ""])
def test_the_account_of_the_pod_is_taken_where_no_file_names_a_context(home: Path, in_a_pod: None, current: str | None) -> None:
    assert server() == POD
    write(home / ".kube/config", config("home") | {"current-context": current})
    assert server() == POD


def test_the_account_of_the_pod_is_not_taken_for_the_context_of_the_stack(home: Path, in_a_pod: None) -> None:
    write(home / ".kube/config", config("home") | {"current-context": ""})
    assert server(context="home") == "https://home"
    with pytest.raises(ConfigError, match="'other' not found"):
        server(context="other")


def test_no_cluster_at_all_is_one_line_that_says_what_to_set(home: Path) -> None:
    with pytest.raises(ConfigError) as error:
        server()
    assert str(error.value) == f"no current context in {home}/.kube/config: set kubernetes:context of the stack, or KUBECONFIG"


def test_of_several_files_the_first_that_has_a_name_decides_and_missing_ones_are_skipped(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = config("shared", username="first"), config("shared", username="second")
    first["current-context"] = ""
    second["clusters"] = named("cluster", shared={"server": "https://second"})
    third = config("third")
    files = [write(home / str(number), content) for number, content in enumerate((first, second, third))]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(home / "missing"), *map(str, files)]))
    found = found_by()
    assert found.user
    assert (found.context_name, found.cluster.server, found.user.username) == ("shared", "https://shared", "first")
    assert server(context="third") == "https://third"


def test_parts_of_a_context_may_be_in_files_of_their_own_with_paths_relative_to_each(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = {"current-context": "prod", "contexts": named("context", prod={"cluster": "prod", "user": "me"})}
    clusters = {"clusters": named("cluster", prod={"server": "https://prod", "certificate-authority": "ca.crt"})}
    me = {"client-certificate": "me.crt", "client-key": "/keys/me", "exec": {"apiVersion": "v1", "command": "bin/login"}}
    parts = {"contexts": contexts, "clusters": clusters, "users": {"users": named("user", me=me), "contexts": None}}
    files = [write(home / part / "config", content) for part, content in parts.items()]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    found = found_by()
    assert found.user
    assert found.user.exec
    assert found.cluster.certificate_auth == str(home / "clusters/ca.crt")
    assert (found.user.client_cert, found.user.client_key) == (str(home / "users/me.crt"), "/keys/me")
    assert found.user.exec.command == str(home / "users/bin/login")


def test_a_cluster_of_the_stack_takes_the_place_of_its_contexts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write(home / name, config(name)) for name in ("one", "other")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    found = found_by(cluster="other")
    assert found.user
    assert (found.context_name, found.cluster.server, found.user.token) == ("one", "https://other", "one")
    with pytest.raises(ConfigError, match="kubernetes:cluster is 'third', which is not in the kubeconfig; there are: one, other"):
        found_by(cluster="third")


def test_a_context_whose_cluster_is_in_no_file_is_named(home: Path) -> None:
    write(home / ".kube/config", config("home") | {"clusters": []})
    with pytest.raises(ConfigError, match="context 'home' of the kubeconfig names 'home', which is not there"):
        server()


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_a_plugin_is_asked_for_a_token_in_the_version_of_the_kubeconfig(version: str) -> None:
    # Tells how it was asked, in place of a token.
    answer = """
import json, os
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = f"{os.environ['PROFILE']} {asked['apiVersion']} {asked['kind']} {asked['spec']}"
print(json.dumps({"apiVersion": asked["apiVersion"], "kind": asked["kind"], "status": {"token": token}}))
"""
    api_version = f"client.authentication.k8s.io/{version}"
    variables = [{"name": "PROFILE", "value": "prod"}]
    plugin = {"apiVersion": api_version, "command": sys.executable, "args": ["-c", answer], "env": variables, "interactiveMode": "Never"}
    found = found_by(json.dumps(config("cloud", exec=plugin)))
    auth = user_auth(found.user)
    assert auth
    asking = next(auth.sync_auth_flow(Request("GET", "https://cloud")))
    assert asking.headers["Authorization"] == f"Bearer prod {api_version} ExecCredential {{'interactive': False}}"
