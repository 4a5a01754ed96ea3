"""Which cluster a stack lies in, as its config says it. Costs a preview nothing: no
client is imported here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

KUBECONFIG: Final = "kubernetes:kubeconfig"
CONTEXT: Final = "kubernetes:context"
CLUSTER: Final = "kubernetes:cluster"


@dataclass(frozen=True)
class Connection:
    """What a stack's config says of its cluster; the rest is found as the default
    Kubernetes provider finds it.
    """

    kubeconfig: str | None = field(default=None, repr=False)
    """A path, or the content itself."""
    context: str | None = None
    """The context of the kubeconfig, where it is not the current one."""
    cluster: str | None = None
    """The cluster of the kubeconfig, where it is not the context's."""

    @classmethod
    def of(cls, config: Mapping[str, str | None]) -> Self:
        """The connection that a stack's whole config names."""
        # An empty text is how Pulumi's config says that there is none.
        return cls(*(config.get(key) or None for key in (KUBECONFIG, CONTEXT, CLUSTER)))
