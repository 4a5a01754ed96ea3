"""What the Pulumi CLI prints is passed on without what it quotes of a kubeconfig."""

import pytest

from commands.stack.messages import without_kubeconfig

SAYS = "failed to parse kubeconfig data in `kubernetes:config:kubeconfig`"


@pytest.mark.parametrize(
    "quoted",
    ["- yaml: line 2: could not find expected ':' near hunter2", "- json: 'hunter2'\nhunter2", ": hunter2"],
)
def test_what_the_plugin_quotes_of_a_kubeconfig_is_left_out(quoted: str) -> None:
    printed = f"error: configured Kubernetes cluster is unreachable: {SAYS}{quoted}"
    told = f"error: configured Kubernetes cluster is unreachable: {SAYS}: it is not a kubeconfig"
    assert without_kubeconfig(printed) == told


INVALID = "error: configured Kubernetes cluster is unreachable: invalid configuration: "


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'invalid \'proxy-url\' "socks6://me:hunter2@x" for cluster "it": unsupported scheme',
            "invalid 'proxy-url' of the kubeconfig",
        ),
        (
            "[unable to read client-key hunter2\nhunter2 for it due to open hunter2\nhunter2: no such file]",
            "[unable to read client-key of the kubeconfig",
        ),
        (
            "unable to read certificate-authority hunter2 for it due to open hunter2: file name too long",
            "unable to read certificate-authority of the kubeconfig",
        ),
        (
            'parse "https://me:hunter2": invalid port ":hunter2" after host',
            "an address cannot be read",
        ),
    ],
)
def test_nor_what_should_be_a_path_or_an_address(said: str, told: str) -> None:
    assert without_kubeconfig(INVALID + said) == INVALID + told


def test_other_messages_stay_as_they_are() -> None:
    assert (
        without_kubeconfig("error: no stack named 'x' found - at all: none")
        == "error: no stack named 'x' found - at all: none"
    )
