"""Whether this machine can run real nodes. Found out by trying, as neither versions nor
settings tell it for certain.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from local import tools

CGROUPS = Path("/sys/fs/cgroup")
NEEDED_CGROUPS = ("cpu", "cpuset", "memory", "pids")
#: Two Ray pods of 2G, and what runs beside them.
MEMORY = 6 * 2**30

_TRIES = {
    "it gives no namespaces for network, mounts and processes": [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--ipc",
        "--fork",
        "true",
    ],
    "its kernel has no pairs of virtual interfaces": [
        "unshare",
        "--net",
        "sh",
        "-c",
        "ip link add one type veth peer name other",
    ],
}
_OVERLAY = (
    "mkdir lower upper work merged && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay"
    " merged"
)


def why_not() -> str | None:
    """Why real nodes cannot run here, in a line; None where they can."""
    if sys.platform != "linux":
        return f"they need Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "they need root"
    for program, package in {
        "apt-get": "apt",
        "dpkg": "dpkg",
        "ip": "iproute2",
        "unshare": "util-linux",
        "mount": "mount",
    }.items():
        if shutil.which(program) is None:
            return (
                f"{program} is missing: apt install {package}"
                if shutil.which("apt-get")
                else "they need a Debian (apt-get is missing)"
            )
    total = psutil.virtual_memory().total
    if total < MEMORY:
        return f"they need {MEMORY // 2**30} GiB of memory, and this machine has {total / 2**30:.1f}"
    for reason, command in _TRIES.items():
        if not _works(command):
            return reason
    cache = tools.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        if not _works(["unshare", "--mount", "sh", "-c", f"cd '{scratch}' && {_OVERLAY}"]):
            return f"overlayfs does not work in {cache}"
    return _no_cgroups()


def cgroup_hierarchies() -> list[Path]:
    """The one of version 2, or each of version 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return sorted(
        folder
        for folder in CGROUPS.iterdir()
        if (folder / "cgroup.procs").exists() and not folder.is_symlink()
    )


def _no_cgroups() -> str | None:
    if not CGROUPS.is_dir():
        return f"{CGROUPS} is missing"
    hierarchies = cgroup_hierarchies()
    if hierarchies == [CGROUPS]:
        known = (CGROUPS / "cgroup.controllers").read_text().split()
    else:
        known = [name for folder in hierarchies for name in folder.name.split(",")]
    if missing := [name for name in NEEDED_CGROUPS if name not in known]:
        return f"control groups are missing: {', '.join(missing)}"
    if hierarchies == [CGROUPS] and (reason := _not_handed_on(CGROUPS / "cgroup.subtree_control")):
        return reason
    for hierarchy in hierarchies:
        probe = hierarchy / f"kuberay-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"no control group can be made in {hierarchy}: {error.strerror}"
    return None


def _not_handed_on(control: Path) -> str | None:
    """Version 2: inside a container its own processes can stand in the way of groups
    below with limits.
    """
    handed_on = control.read_text().split()
    missing = [name for name in NEEDED_CGROUPS if name not in handed_on]
    if not missing:
        return None
    try:
        for sign in "+-":
            control.write_text(" ".join(f"{sign}{name}" for name in missing))
    except OSError as error:
        return f"control groups below {control.parent} get no limits ({', '.join(missing)}): {error.strerror}"
    return None


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
