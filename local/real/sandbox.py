"""Namespaces for a whole cluster: what runs inside has network, mounts and processes of
its own.

    python -m local.real.sandbox --home <folder> --port 16001=10.96.0.1:443 -- <command>

The command becomes the first process inside. When it ends, the kernel ends every other
one with it, containers too, and takes down mounts and network. The network has no way
out: no interface leads to the machine. Only the given loopback ports of the machine
lead in, by way of this process, which stays outside.
"""

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.control_plane import SERVICE_RANGE
from local.real.node import DNS_ADDRESS, NODE_ADDRESS

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

#: Folders in which containerd, its shims and the kubelet leave files whatever they are
#: told: empty ones inside, gone with it.
HIDDEN = (Path("/run"), Path("/var/lib"), Path("/var/log"))


def main() -> None:
    """Runs until the command inside ends."""
    parser = argparse.ArgumentParser(
        prog="python -m local.real.sandbox", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--home", type=Path, required=True, help="folder of the cluster")
    parser.add_argument(
        "--seen",
        type=Path,
        action="append",
        default=[],
        help="folder that is to be seen inside, wherever it lies",
    )
    parser.add_argument(
        "--port", action="append", default=[], help="<loopback port of the machine>=<address inside>:<port>"
    )
    parser.add_argument("--inside", action="store_true", help="(what it calls itself with)")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    seen = [given.home, *given.seen]
    if given.inside:
        enter(seen, given.command)
    listening = [_listen(port) for port in given.port]
    if _libc.unshare(_CLONE_NEWNET):
        sys.exit(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
    apart = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--ipc",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    myself = [
        sys.executable,
        "-m",
        "local.real.sandbox",
        "--inside",
        f"--home={given.home}",
        *(f"--seen={path}" for path in given.seen),
    ]
    with subprocess.Popen([*apart, *myself, "--", *given.command], preexec_fn=_end_with_parent) as inside:
        (given.home / "supervisord.pid").write_text(str(os.getpid()))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_forward(listening, inside))
    sys.exit(inside.returncode)


def enter(seen: Sequence[Path], command: Sequence[str]) -> None:
    """The first process inside: makes the place ready and turns into the command."""
    for folder in HIDDEN:
        _hide(folder, [path.resolve() for path in seen])
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # between pods: no other interface leads anywhere
    for arguments in (
        ["link", "set", "lo", "up"],
        ["addr", "add", f"{NODE_ADDRESS}/32", "dev", "lo"],
        ["addr", "add", f"{DNS_ADDRESS}/32", "dev", "lo"],
        # What runs on the node itself, the API server and its webhooks with it, reaches
        # Services as pods do: kube-proxy only turns what has a way.
        ["route", "add", SERVICE_RANGE, "dev", "lo", "src", NODE_ADDRESS],
    ):
        subprocess.run(["ip", *arguments], check=True)
    os.execvp(command[0], list(command))  # noqa: S606


def _hide(folder: Path, seen: Sequence[Path]) -> None:
    """Lays an empty folder over this one, in which only what is to be seen is there."""
    kept = {path: os.open(path, os.O_PATH) for path in seen if path.is_relative_to(folder)}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder)], check=True)
    for path, descriptor in kept.items():
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mount", "--bind", f"/proc/self/fd/{descriptor}", str(path)], pass_fds=[descriptor], check=True
        )
        os.close(descriptor)


def _listen(port: str) -> tuple[socket.socket, str, int]:
    outside, _, inside = port.partition("=")
    address, _, number = inside.partition(":")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(outside)))
    listener.listen(100)
    return listener, address, int(number)


async def _forward(
    listening: Sequence[tuple[socket.socket, str, int]], inside: "subprocess.Popen[bytes]"
) -> None:
    """Sockets belong to the network in which they were made: those that listen to the
    machine's, those that connect to the one inside.
    """
    for listener, address, port in listening:

        async def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: tuple[str, int] = (address, port)
        ) -> None:
            try:
                inner_reader, inner_writer = await asyncio.open_connection(*to)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
            for end in (writer, inner_writer):
                end.close()

        await asyncio.start_server(connected, sock=listener)
    while inside.poll() is None:
        await asyncio.sleep(0.5)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()  # which ends the other direction as well


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
