"""What a cluster could leave behind on the machine, as a set that can be compared
before and after.
"""

import contextlib
from pathlib import Path

import psutil

from local.control_plane import HOME_MARK
from local.real.machine import cgroup_hierarchies


def traces() -> frozenset[str]:
    """Processes of local clusters, network interfaces and their addresses, network
    namespaces, mounts, control groups of pods.
    """
    found = {
        f"control group {folder}"
        for hierarchy in cgroup_hierarchies()
        for folder in hierarchy.glob("kuberay-*")
    }
    found |= {f"mount {line.split()[1]}" for line in Path("/proc/self/mounts").read_text().splitlines()}
    for interface, addresses in psutil.net_if_addrs().items():
        found |= {f"interface {interface}"} | {
            f"address {address.address} of {interface}" for address in addresses
        }
    for process in psutil.process_iter():
        # One that ends meanwhile, or that this account may not look into, is no trace.
        with contextlib.suppress(OSError, psutil.Error):
            found.add(f"network {Path(f'/proc/{process.pid}/ns/net').readlink()}")
            if home := process.environ().get(HOME_MARK):
                found.add(f"process {process.pid} {process.name()} of {home}")
    return frozenset(found)
