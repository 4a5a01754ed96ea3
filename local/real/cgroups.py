"""The control group that all pods of a cluster are in: made before the kubelet starts,
taken away when all in it have ended.
"""

import contextlib
from pathlib import Path

from local.cluster import until
from local.errors import LocalError
from local.real.machine import cgroup_hierarchies

#: What the pods together get of a busy processor, against a process outside: by default
#: as much as that one, and a pod that starts beside a few busy ones then answers none
#: of its probes in time. By file, of cgroups v1 and v2.
_SHARES = {"cpu.shares": 10 * 1024, "cpu.weight": 10 * 100}


def make(name: str) -> None:
    """In each hierarchy."""
    for hierarchy in cgroup_hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
        for file, shares in _SHARES.items():
            if (hierarchy / name / file).exists():
                (hierarchy / name / file).write_text(str(shares))


def remove(name: str) -> None:
    """With those below; what still ends is waited for."""
    left: list[Path] = []

    def gone() -> bool:
        left[:] = [
            folder
            for hierarchy in cgroup_hierarchies()
            if (folder := hierarchy / name).is_dir() and not _removed(folder)
        ]
        return not left

    if not until(gone, 15):
        raise LocalError(f"this control group cannot be removed: {left[0]}")


def processes(name: str) -> list[int]:
    """Of all in it, and below."""
    files = (file for hierarchy in cgroup_hierarchies() for file in (hierarchy / name).rglob("cgroup.procs"))
    return sorted({int(number) for file in files for number in file.read_text().split()})


def _removed(folder: Path) -> bool:
    for below in sorted(
        (path for path in folder.rglob("*") if path.is_dir()), key=lambda path: len(path.parts), reverse=True
    ):
        with contextlib.suppress(OSError):
            below.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()
