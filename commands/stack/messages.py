"""What the Pulumi CLI and its plugins print, as far as it may be passed on. Pure."""

import re

#: The Kubernetes plugin, of a kubeconfig that it cannot read: the parser's message
#: after it quotes the text.
_UNREADABLE = re.compile(r"(failed to parse kubeconfig(?: data in `[^`]*`)?)\s*[-:;].*", re.DOTALL)


def without_kubeconfig(text: str) -> str:
    """A message without what it quotes of a kubeconfig."""
    return _UNREADABLE.sub(r"\1: it is not a kubeconfig", text)
