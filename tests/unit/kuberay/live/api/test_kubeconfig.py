"""The cluster that is asked is the one that the stack's provider changes, which finds
it by client-go's rules.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kuberay.live.api import credentials, kubeconfig
from kuberay.live.api.connection import Connection
from kuberay.live.api.credentials import CredentialError
from kuberay.live.api.kubeconfig import Endpoint, KubeconfigError, find_endpoint

POD = "https://10.0.0.1:443"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, on a machine that is no pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("of the pod")
    (account / "ca.crt").write_text("PEM")
    monkeypatch.setattr(kubeconfig, "_ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


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
    return found_by(kubeconfig, context).server


def found_by(
    kubeconfig: str | None = None, context: str | None = None, cluster: str | None = None
) -> Endpoint:
    return find_endpoint(Connection(kubeconfig, context, cluster))


def refusal(kubeconfig: str | None = None, context: str | None = None, cluster: str | None = None) -> str:
    with pytest.raises((KubeconfigError, CredentialError)) as error:
        found_by(kubeconfig, context, cluster)
    return str(error.value)


def test_the_stacks_config_goes_before_everything_else(
    home: Path, monkeypatch: pytest.MonkeyPatch, in_a_pod: None
) -> None:
    write(home / ".kube/config", config("home"))
    monkeypatch.setenv("KUBECONFIG", str(write(home / "env", config("env"))))
    assert server(str(write(home / "mine", config("mine")))) == "https://mine"
    assert server(json.dumps(config("content"))) == "https://content"


def test_a_path_in_the_stacks_config_has_to_be_there(in_a_pod: None) -> None:
    assert refusal("/no/such/file") == "kubernetes:kubeconfig: the file /no/such/file does not exist"


def test_the_file_at_home_goes_before_the_account_of_the_pod(home: Path, in_a_pod: None) -> None:
    write(home / ".kube/config", config("home"))
    assert server() == "https://home"


def test_the_variable_goes_before_the_file_at_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, in_a_pod: None
) -> None:
    write(home / ".kube/config", config("home"))
    monkeypatch.setenv("KUBECONFIG", str(write(home / "env", config("env"))))
    assert server() == "https://env"


@pytest.mark.parametrize("current", [None, ""])
def test_the_account_of_the_pod_is_taken_where_no_file_names_a_context(
    home: Path, in_a_pod: None, current: str | None
) -> None:
    assert server() == POD
    write(home / ".kube/config", config("home") | {"current-context": current})
    assert server() == POD


def test_the_account_of_the_pod_is_not_taken_for_the_context_of_the_stack(home: Path, in_a_pod: None) -> None:
    write(home / ".kube/config", config("home") | {"current-context": ""})
    assert server(context="home") == "https://home"
    assert refusal(context="hme") == "context 'hme' is not in the kubeconfig; there are: home"


def test_no_cluster_at_all_is_one_line_that_says_what_to_set(home: Path) -> None:
    assert (
        refusal()
        == f"no current context in {home}/.kube/config: set kubernetes:context of the stack, or KUBECONFIG"
    )


def test_of_several_files_the_first_that_has_a_name_decides_and_missing_ones_are_skipped(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (config("shared", **user) for user in ({"token": "first"}, {"token": "second"}))
    first["current-context"] = ""
    second["clusters"] = named("cluster", shared={"server": "https://second"})
    third = config("third")
    files = [write(home / str(number), content) for number, content in enumerate((first, second, third))]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(home / "missing"), *map(str, files)]))
    found = found_by()
    assert (found.context, found.server, found.token) == ("shared", "https://shared", "first")
    assert server(context="third") == "https://third"


def test_parts_of_a_context_may_be_in_files_of_their_own_with_paths_relative_to_each(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts = {
        "current-context": "prod",
        "contexts": named("context", prod={"cluster": "prod", "user": "me"}),
    }
    clusters = {
        "clusters": named("cluster", prod={"server": "https://prod", "certificate-authority": "ca.crt"})
    }
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "bin/login"}
    me = {"client-certificate": "me.crt", "client-key": str(home / "me.key"), "exec": plugin}
    parts = {
        "contexts": contexts,
        "clusters": clusters,
        "users": {"users": named("user", me=me), "contexts": None},
    }
    files = [write(home / part / "config", content) for part, content in parts.items()]
    for name in ("clusters/ca.crt", "users/me.crt", "me.key"):
        (home / name).write_text(name)
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    found = found_by()
    assert (found.authority, found.client_certificate, found.client_key) == (
        b"clusters/ca.crt",
        b"users/me.crt",
        b"me.key",
    )
    assert found.plugin
    assert found.plugin.command == str(home / "users/bin/login")


def test_a_cluster_of_the_stack_takes_the_place_of_its_contexts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(home / name, config(name)) for name in ("one", "other")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    found = found_by(cluster="other")
    assert (found.context, found.server, found.token) == ("one", "https://other", "one")
    assert (
        refusal(cluster="third")
        == "kubernetes:cluster is 'third', which is not in the kubeconfig; there are: one, other"
    )


def test_what_a_context_names_and_no_file_has_is_named(home: Path) -> None:
    write(home / ".kube/config", config("home") | {"clusters": []})
    assert (
        refusal() == "context 'home' of the kubeconfig names cluster 'home', which is not there; it has none"
    )
    write(home / ".kube/config", config("home") | {"users": named("user", me={})})
    assert (
        refusal() == "context 'home' of the kubeconfig names user 'home', which is not there; there are: me"
    )
    write(home / ".kube/config", config("home") | {"clusters": named("cluster", home={})})
    assert refusal() == "cluster 'home' of the kubeconfig names no server"


# --- What client-go honours -----------------------------------------------------------


def test_acting_as_someone_else_a_proxy_and_the_name_in_the_certificate_are_honoured() -> None:
    content = config(
        "it",
        **{"token": "t", "as": "ci", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"why": ["x"]}},
    )
    content["clusters"][0]["cluster"] |= {
        "proxy-url": "http://proxy.corp:3128",
        "tls-server-name": "inside",
        "insecure-skip-tls-verify": True,
    }
    found = found_by(json.dumps(content))
    assert found.impersonated == (
        ("Impersonate-User", "ci"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-why", "x"),
    )
    assert (found.proxy, found.server_name, found.insecure) == ("http://proxy.corp:3128", "inside", True)


PROXY = (
    "cluster 'it' of the kubeconfig has a proxy-url that this program does not know; "
    "known here: http://<host>:<port> and https://<host>:<port>"
)


def test_what_is_not_honoured_is_refused_by_its_name() -> None:
    content = config("it")
    content["clusters"][0]["cluster"]["proxy-url"] = "socks5://me:secret@proxy.corp"
    assert refusal(json.dumps(content)) == PROXY
    oidc = config("it", **{"auth-provider": {"name": "oidc", "config": {"id-token": "secret"}}})
    assert (
        refusal(json.dumps(oidc))
        == "user 'it' of the kubeconfig has the auth-provider 'oidc', which this program does not know; use"
        " `exec`"
    )


@pytest.mark.parametrize(
    "proxy",
    ["hunter2", "hunter2://me", "http:hunter2", ["hunter2"], "http://me:hunter2", "http://x:hun\nter2"],
)
def test_nothing_of_a_proxy_that_is_none_is_shown(proxy: Any) -> None:
    content = config("it")
    content["clusters"][0]["cluster"]["proxy-url"] = proxy
    assert refusal(json.dumps(content)) == PROXY


@pytest.mark.parametrize(
    "server", ["hunter2", "hunter2://me", "https://me:hunter2", "https://hunter2….x", "https://[hunter2"]
)
def test_nothing_of_a_server_that_is_none_is_shown(server: Any) -> None:
    content = config("it")
    content["clusters"][0]["cluster"]["server"] = server
    assert (
        refusal(json.dumps(content))
        == "cluster 'it' of the kubeconfig has a server that is not of the form https://<host>:<port>"
    )


def test_a_login_in_the_address_of_a_server_is_used_and_not_shown_with_it() -> None:
    content = config("it", **{"as": "me"})
    content["clusters"][0]["cluster"]["server"] = "https://me:hun%2Fter2@it:6443/k8s"
    found = found_by(json.dumps(content))
    assert (found.server, found.basic) == ("https://it:6443/k8s", ("me", "hun/ter2"))


NOT_THERE = "cannot be read: No such file or directory; it takes a path, and"


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("client-key", "/hunter2", f"{NOT_THERE} client-key-data what would be in the file"),
        (
            "client-key",
            "hun\0ter2",
            "cannot be read: it is no path; it takes a path, and client-key-data what would be in the file",
        ),
        (
            "client-certificate",
            "/",
            (
                f"{NOT_THERE.replace('No such file or', 'Is a')} client-certificate-data what would be in the"
                " file"
            ),
        ),
        ("tokenFile", "/hunter2", f"{NOT_THERE} token what would be in the file"),
    ],
)
def test_nothing_is_shown_of_what_should_be_a_path(key: str, value: str, why: str) -> None:
    assert (
        refusal(json.dumps(config("it", **{key: value})))
        == f"user 'it' of the kubeconfig has a {key} that {why}"
    )


def test_nothing_is_shown_of_an_authority_that_should_be_a_path() -> None:
    content = config("it")
    content["clusters"][0]["cluster"]["certificate-authority"] = "/hunter2"
    why = f"{NOT_THERE} certificate-authority-data what would be in the file"
    assert (
        refusal(json.dumps(content))
        == f"cluster 'it' of the kubeconfig has a certificate-authority that {why}"
    )


EXTRA = "an as-user-extra that is not a map of lists of texts, such as {reason: [on-call]}"
GROUPS = "as-groups that are not a list of texts, such as [ops]"
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "hunter2"}
LISTS = "a credential plugin whose env is not a list of maps with name and value, or whose args are no list"


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"as-user-extra": ["hunter2"]}, EXTRA),
        ({"as-user-extra": {"why": "hunter2"}}, EXTRA),
        ({"as-groups": 5}, GROUPS),
        ({"as-groups": "hunter2"}, GROUPS),
        ({"token": ["hunter2"]}, "a token that is no text; put it in quotes"),
        ({"username": "me", "password": 5}, "a password that is no text; put it in quotes"),
        ({"client-key-data": 5}, "a client-key-data that is no text; put it in quotes"),
        ({"exec": "hunter2"}, "an exec that is not a map with apiVersion and command"),
        ({"exec": {**EXEC, "command": ["hunter2"]}}, "an exec that is not a map with apiVersion and command"),
        (
            {"exec": {**EXEC, "apiVersion": ["hunter2"]}},
            "an exec that is not a map with apiVersion and command",
        ),
        (
            {"exec": {**EXEC, "command": "aws --key hunter2"}},
            "a credential plugin whose command is no program; its arguments go into args",
        ),
        (
            {"auth-provider": {"name": {"gcp": "hunter2"}}},
            "the auth-provider '?', which this program does not know; use `exec`",
        ),
        ({"exec": {**EXEC, "env": ["hunter2"]}}, LISTS),
        ({"exec": {**EXEC, "env": 5}}, LISTS),
        ({"exec": {**EXEC, "args": 5}}, LISTS),
    ],
)
def test_a_user_of_another_shape_is_one_line(user: dict[str, Any], why: str) -> None:
    assert refusal(json.dumps(config("it", **user))) == f"user 'it' of the kubeconfig has {why}"


@pytest.mark.parametrize("broken", ["QUJD\nREVG\n", "QUJD\r\nREVG"])
def test_what_is_encoded_may_have_line_breaks_as_base64_writes_them(broken: str) -> None:
    content = config("east")
    content["clusters"][0]["cluster"]["certificate-authority-data"] = broken
    assert found_by(json.dumps(content)).authority == b"ABCDEF"


@pytest.mark.parametrize("more", ["\n---\n", "\n---\nkind: Config\n", "\n...\n"])
def test_of_several_documents_the_first_counts_as_for_kubectl(more: str) -> None:
    assert found_by(json.dumps(config("east")) + more).server == "https://east"


@pytest.mark.parametrize("key", ["as-uid", "as-groups", "as-user-extra"])
def test_acting_with_groups_as_nobody_is_refused(key: str) -> None:
    value = {"as-uid": "7", "as-groups": ["ops"], "as-user-extra": {"why": ["x"]}}[key]
    assert (
        refusal(json.dumps(config("it", **{key: value})))
        == f"user 'it' of the kubeconfig has {key}, and no `as` that says who acts"
    )


@pytest.mark.parametrize(
    "server",
    ["https://[::1", "it:6443", "127.0.0.1:1", "ftp://it", "https://", "https://i t", "https://it:x"],
)
def test_a_server_that_is_no_address_is_refused_by_its_key(server: str) -> None:
    content = config("it")
    content["clusters"][0]["cluster"]["server"] = server
    assert refusal(json.dumps(content)) == (
        "cluster 'it' of the kubeconfig has a server that is not of the form https://<host>:<port>"
    )


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("server", ["https://it"], "a server that is no text; put it in quotes"),
        ("tls-server-name", 5, "a tls-server-name that is no text; put it in quotes"),
        ("insecure-skip-tls-verify", "yes", "an insecure-skip-tls-verify that is neither true nor false"),
    ],
)
def test_a_cluster_of_another_shape_is_one_line(key: str, value: Any, why: str) -> None:
    content = config("it")
    content["clusters"][0]["cluster"][key] = value
    assert refusal(json.dumps(content)) == f"cluster 'it' of the kubeconfig has {why}"


def test_a_plugin_that_no_argument_can_name_is_one_line() -> None:
    with pytest.raises(CredentialError) as error:
        asked({"exec": {**EXEC, "command": sys.executable, "args": ["hun\0ter2"]}}, extensions=["x"])
    reason = "its command, args or env hold a NUL or an = in a name"
    assert (
        str(error.value) == f"the credential plugin {sys.executable} of user 'cloud' cannot be run: {reason}"
    )


SECRET = "hunter2-of-the-kubeconfig"


@pytest.mark.parametrize(
    ("kubeconfig", "said"),
    [
        (
            base64.b64encode(json.dumps(config("it", token=SECRET)).encode()).decode(),
            (
                "kubernetes:kubeconfig is neither a file that exists nor the content of a kubeconfig, which"
                " is YAML or JSON"
            ),
        ),
        (
            f"users:\n- name: it\n  user: {{token: {SECRET}\nclusters: []\n",
            "kubernetes:kubeconfig is not YAML (line 4)",
        ),
        # PowerShell writes UTF-16.
        (
            base64.b64encode(json.dumps(config("it", token=SECRET)).encode("utf-16")).decode(),
            (
                "kubernetes:kubeconfig is neither a file that exists nor the content of a kubeconfig, which"
                " is YAML or JSON"
            ),
        ),
        (
            json.dumps(config("it") | {"current-context": {"it": SECRET}}),
            "the kubeconfig names no current context: set kubernetes:context of the stack",
        ),
        (f"expires: 2001-13-45\ntoken: {SECRET}\n", "kubernetes:kubeconfig is not YAML"),
        (f"just text\n{SECRET}\n", "kubernetes:kubeconfig is not the content of a kubeconfig"),
        (
            f"current-context: it\nusers: [{SECRET}]\n",
            "kubernetes:kubeconfig: `users` is not a list of entries with a name and a user",
        ),
        *(
            (
                json.dumps(
                    config("it")
                    | {"contexts": named("context", it={"cluster": "it", "user": "it", key: {"a": SECRET}})}
                ),
                f"context 'it' of the kubeconfig has a {key} that is no text; put it in quotes",
            )
            for key in ("cluster", "user", "namespace")
        ),
        *(
            (
                json.dumps(config("it") | {f"{part}s": [{"name": {"a": SECRET}, part: {}}]}),
                f"kubernetes:kubeconfig: `{part}s` is not a list of entries with a name and a {part}",
            )
            for part in ("cluster", "context", "user")
        ),
        (
            json.dumps(config("it", **{"client-certificate-data": f"{SECRET}!"})),
            "user 'it' of the kubeconfig has a client-certificate-data that is not base64",
        ),
    ],
)
def test_no_message_shows_anything_of_a_kubeconfig_that_cannot_be_read(kubeconfig: str, said: str) -> None:
    assert refusal(kubeconfig) == said


def test_nothing_secret_of_an_endpoint_is_printed_with_it() -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "args": [SECRET]}
    encoded = base64.b64encode(SECRET.encode()).decode()
    for user in (
        {"token": SECRET},
        {"username": "me", "password": SECRET},
        {"exec": plugin},
        {"client-key-data": encoded},
    ):
        assert SECRET not in repr(found_by(json.dumps(config("it", **user))))


# --- Plugins --------------------------------------------------------------------------


def plugin(program: str, *, version: str = "v1", **more: Any) -> dict[str, Any]:
    """A user whose credentials a Python program prints."""
    return {
        "exec": {
            "apiVersion": f"client.authentication.k8s.io/{version}",
            "command": sys.executable,
            "args": ["-c", program],
            **more,
        }
    }


def asked(user: dict[str, Any], **cluster: Any) -> credentials.Credential:
    content = config("cloud", **user)
    content["clusters"][0]["cluster"] |= cluster
    found = found_by(json.dumps(content))
    assert found.plugin
    return found.plugin.ask()


#: Tells how it was asked, in place of a token.
TELLS = """
import json, os
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = f"{os.environ['PROFILE']} {asked['apiVersion']} {asked['kind']} {json.dumps(asked['spec'])}"
print(json.dumps({"apiVersion": asked["apiVersion"], "kind": asked["kind"], "status": {"token": token}}))
"""


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_a_plugin_is_asked_for_a_token_in_the_version_of_the_kubeconfig(version: str) -> None:
    variables = [{"name": "PROFILE", "value": "prod"}]
    given = asked(plugin(TELLS, version=version, env=variables, interactiveMode="Never"))
    assert (
        given.token == f'prod client.authentication.k8s.io/{version} ExecCredential {{"interactive": false}}'
    )


def test_what_is_null_of_a_plugin_is_empty_to_it() -> None:
    tells = (
        'import json, os, sys; print(json.dumps({"status": {"token": repr((sys.argv, os.environ["A"]))}}))'
    )
    for empty in ({"name": "A"}, {"name": "A", "value": None}):
        user = plugin(tells, env=[empty])
        user["exec"]["args"].append(None)
        assert asked(user).token == "(['-c', ''], '')"


def test_a_plugin_is_told_of_the_cluster_where_it_asks_for_that() -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "ray"}}
    user = plugin(TELLS, env=[{"name": "PROFILE", "value": "told"}], provideClusterInfo=True)
    given = asked(user, extensions=[extension], **{"certificate-authority-data": "UEVN"})
    told = {"server": "https://cloud", "certificate-authority-data": "UEVN", "config": {"audience": "ray"}}
    assert (
        given.token == "told client.authentication.k8s.io/v1 ExecCredential"
        f" {json.dumps({'interactive': False, 'cluster': told})}"
    )


def test_a_plugin_may_give_a_certificate_and_is_asked_again_once_its_time_is_over(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = f"""
import json, pathlib
runs = pathlib.Path({str(runs)!r})
number = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (number + 1))
ends = "2001-01-01T00:00:00Z" if number == 0 else "2999-01-01T00:00:00Z"
status = {{"clientCertificateData": f"certificate {{number}}", "clientKeyData": "key"}}
print(json.dumps({{"status": status | {{"expirationTimestamp": ends}}}}))
"""
    got = [asked(plugin(program)).certificate for _ in range(3)]
    assert got == [b"certificate 0", b"certificate 1", b"certificate 1"]


@pytest.mark.parametrize(
    ("user", "said"),
    [
        (
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "no-such-login",
                    "args": [SECRET],
                }
            },
            (
                "the credential plugin no-such-login of user 'cloud' is not there; install it, or put its"
                " folder on the PATH"
            ),
        ),
        (
            plugin(f"import sys; print({SECRET!r}, file=sys.stderr); sys.exit(3)"),
            (
                f"the credential plugin {sys.executable} of user 'cloud' failed with exit code 3; run it by"
                " itself to see why"
            ),
        ),
        (
            plugin("import time; time.sleep(30)"),
            f"the credential plugin {sys.executable} of user 'cloud' gave nothing in 0 s",
        ),
        (
            plugin(f"print({SECRET!r})"),
            f"the credential plugin {sys.executable} of user 'cloud' printed no ExecCredential with a status",
        ),
        (
            plugin("print('{\"status\": {}}')"),
            (
                f"the credential plugin {sys.executable} of user 'cloud' gave neither a token nor a"
                " certificate with its key"
            ),
        ),
        (
            plugin("", version="v1alpha1"),
            (
                "user 'cloud' of the kubeconfig has a credential plugin of apiVersion"
                " 'client.authentication.k8s.io/v1alpha1'; known here: client.authentication.k8s.io/v1,"
                " client.authentication.k8s.io/v1beta1"
            ),
        ),
        (
            plugin("", interactiveMode="Always"),
            (
                f"user 'cloud' of the kubeconfig has a credential plugin, {sys.executable}, that asks a"
                " person (interactiveMode: Always); nobody is asked here"
            ),
        ),
    ],
)
def test_a_plugin_that_gives_nothing_is_named_and_nothing_of_what_it_printed_is_shown(
    user: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in str(user):
        monkeypatch.setattr(credentials, "_SECONDS", 0.3)
    with pytest.raises(CredentialError) as error:
        asked(user)
    assert str(error.value) == said


def test_a_kubeconfig_that_may_not_be_read_is_named(home: Path) -> None:
    file = write(home / ".kube/config", config("home"))
    file.write_bytes(b"\xff\xfe\x00")
    assert refusal() == f"the kubeconfig {file} cannot be read: it is no text"
