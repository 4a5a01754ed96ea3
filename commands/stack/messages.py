"""What the Pulumi CLI and its plugins print, as far as it may be passed on. Pure."""

import re

#: The Kubernetes plugin, of a kubeconfig that it cannot read: the parser's message
#: after it quotes the text.
_UNREADABLE = re.compile(r"(failed to parse kubeconfig(?: data in `[^`]*`)?)\s*[-:;].*", re.DOTALL)
#: client-go (0.29 to 0.36: `tools/clientcmd/validation.go`), of what should be a path
#: or an address and may be what belongs there; and `net/url`.
_MISPLACED = re.compile(
    r"(invalid 'proxy-url'|unable to read (?:certificate-authority|client-cert|client-key)) .*", re.DOTALL
)
_NO_ADDRESS = re.compile(r"\bparse \".*?\": .*", re.DOTALL)


def without_kubeconfig(text: str) -> str:
    """A message without what it quotes of a kubeconfig."""
    text = _UNREADABLE.sub(r"\1: it is not a kubeconfig", text)
    return _NO_ADDRESS.sub("an address cannot be read", _MISPLACED.sub(r"\1 of the kubeconfig", text))
