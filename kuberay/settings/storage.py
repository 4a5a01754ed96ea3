"""Settings of storage: claims that the stack makes, and that outlive pods, clusters and
the stack.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator

from kuberay.facts.quantities import parse_quantity
from kuberay.settings.base import NumberToo, Settings
from kuberay.settings.expose import DottedName


def _check_size(size: str) -> str:
    if parse_quantity(size) < 1_000_000:
        raise ValueError(f"is less than a megabyte; write the unit, such as {size.rstrip('m')}Gi")
    return size


StorageSize = Annotated[str, NumberToo, AfterValidator(_check_size)]


class ClaimSettings(Settings):
    """A claim (PersistentVolumeClaim) of this name in the namespace."""

    size: StorageSize
    """How much: `100Gi`. A larger one is an update where the class allows it;
    Kubernetes takes no smaller one.
    """
    storage_class: DottedName | None = None
    """Class of the storage; the cluster's default one where not set. It stays what it
    was: for another one, give the claim another name.
    """
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"] = (
        "ReadWriteOnce"
    )
    """Who mounts it: pods of one node (`ReadWriteOnce`), of all nodes (`ReadWriteMany`,
    which few classes have) … It stays what it was.
    """
    keep: bool = True
    """Whether claim and data stay in the cluster when the claim leaves the settings or
    the stack is destroyed; a later `up` finds them.
    """
