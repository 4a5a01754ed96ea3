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


def test_other_messages_stay_as_they_are() -> None:
    assert (
        without_kubeconfig("error: no stack named 'x' found - at all: none")
        == "error: no stack named 'x' found - at all: none"
    )
