"""The control group that all pods of a cluster are in: made before the kubelet starts, taken away when all in it have ended."""

import contextlib
from pathlib import Path

from local.cluster import until
from local.errors import LocalError
from local.real.machine import cgroup_hierarchies


def make(name: str) -> None:
    """In each hierarchy."""
    for hierarchy in cgroup_hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def remove(name: str) -> None:
    """With those below; what still ends is waited for."""
    left: list[Path] = []

    def gone() -> bool:
        left[:] = [folder for hierarchy in cgroup_hierarchies() if (folder := hierarchy / name).is_dir() and not _removed(folder)]
        return not left

    if not until(gone, 15):
        raise LocalError(f"this control group cannot be removed: {left[0]}")


def processes(name: str) -> list[int]:
    """Of all in it, and below."""
    files = (file for hierarchy in cgroup_hierarchies() for file in (hierarchy / name).rglob("cgroup.procs"))
    return sorted({int(number) for file in files for number in file.read_text().split()})


def _removed(folder: Path) -> bool:
    for below in sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):
            below.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()
