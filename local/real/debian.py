"""Programs from Debian's packages, unpacked into the cache: nothing is installed on the
machine, and no service is started.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local import tools
from local.errors import LocalError
from local.progress import step

NODE = ("containerd", "runc", "containernetworking-plugins")
#: What kube-proxy and kube-router call, and the libraries of that.
FIREWALL = (
    *("iptables", "ipset", "libxtables12", "libip4tc2", "libip6tc2", "libipset13"),
    *("libnftnl11", "libmnl0", "libnetfilter-conntrack3", "libnfnetlink0"),
)
IMAGE_TOOLS = ("mmdebstrap", "umoci")


def unpacked(packages: Sequence[str]) -> Path:
    """A folder with what these packages hold, as of when it was first asked for.
    Packages that they depend on are not followed.

    Raises:
        LocalError: when apt cannot get one of them.
    """
    key = hashlib.sha256(repr((sorted(packages), _release())).encode()).hexdigest()[:12]
    target = tools.cache_folder() / "debian" / key
    if target.is_dir():
        return target
    with tools.building_alone():
        if not target.is_dir():
            with step(f"Debian's {', '.join(packages)}, into the cache"):
                _unpack(packages, target)
    return target


def _unpack(packages: Sequence[str], target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    downloads = unfinished / ".packages"
    downloads.mkdir(parents=True)
    # Lists and downloads of its own: the machine's are left as they are.
    lists = tools.cache_folder() / "debian/lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    own = [
        "-o",
        f"Dir::State::Lists={lists}",
        "-o",
        f"Dir::Cache={downloads}",
        "-o",
        "APT::Sandbox::User=root",
    ]
    _run(["apt-get", *own, "update"], downloads)
    _run(["apt-get", *own, "download", *packages], downloads)
    for package in downloads.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(unfinished)], downloads)
    shutil.rmtree(downloads)
    unfinished.rename(target)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LocalError(f"{' '.join([command[0], *command[-3:]])} failed: {reason}")


def _release() -> str:
    """The release of Debian (or of what is built on it), as packages of one are of no
    use on another.
    """
    try:
        return Path("/etc/os-release").read_text()
    except FileNotFoundError:
        return ""
