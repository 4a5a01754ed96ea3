"""Pulumi's CLI and its Kubernetes plugin as they are released, where their host answers
and is quicker than a build.

What fails is not asked for again on the same day (surroundings.py); what arrives is
tried before it takes its place.
"""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local import tools
from local.progress import step
from local.surroundings import remembered

HOST = "https://get.pulumi.com"
#: For the first bytes, which tell how long the rest would take.
PROBE_SECONDS = 5
#: For what an installer does beside downloading.
INSTALL_SECONDS = 30
#: What a build takes at most: a download that would take longer is of no use.
BUILD_SECONDS = {"pulumi": 240, "pulumi-resource-kubernetes": 360}
_SAMPLE = 2**20
_INSTALL = """
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(sys.argv[1], VersionInfo.parse(sys.argv[2]))
"""


def pulumi_cli() -> dict[str, Path]:
    """The CLI of the tested version and its Python language host, by the SDK's own
    installer; empty where it cannot be had.
    """
    version = tools.PULUMI.version
    target = tools.cache_folder() / "downloads" / f"pulumi-{version}"

    def install(unfinished: Path, seconds: float) -> bool:
        done = _run(
            [sys.executable, "-c", _INSTALL, str(unfinished), version],
            {"PULUMI_HOME": str(unfinished / "home")},
            seconds,
        )
        return done and tools.version_of([unfinished / "bin/pulumi", "version"]) == tools.numbers(version)

    archive = f"releases/sdk/pulumi-v{version}-{_system()}-{'arm64' if _is_arm() else 'x64'}.tar.gz"
    if not _bring("pulumi", archive, target, install):
        return {}
    return {name: target / "bin" / name for name in ("pulumi", "pulumi-language-python")}


def kubernetes_plugin(pulumi: Callable[[], Path]) -> Path | None:
    """The plugin that the Python SDK asks for: one that the user has installed, or one
    that the CLI installs; None where it cannot be had.

    `pulumi`: gives the CLI, when it comes to that.
    """
    version = tools.provider_version()
    name = "pulumi-resource-kubernetes"
    inside = f"plugins/resource-kubernetes-v{version}/{name}"
    users = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    if (users / inside).exists():
        return users / inside
    target = tools.cache_folder() / "downloads" / f"kubernetes-{version}"

    def install(unfinished: Path, seconds: float) -> bool:
        command = [
            str(pulumi()),
            "plugin",
            "install",
            "resource",
            "kubernetes",
            f"v{version}",
            "--server",
            f"{HOST}/releases/plugins",
        ]
        own = {"PULUMI_HOME": str(unfinished), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        # Without the address of an engine it only says that it needs one.
        return _run(command, own, seconds) and _starts(unfinished / inside)

    archive = f"releases/plugins/{name}-v{version}-{_system()}-{'arm64' if _is_arm() else 'amd64'}.tar.gz"
    return target / inside if _bring(name, archive, target, install) else None


def _bring(what: str, archive: str, target: Path, install: Callable[[Path, float], bool]) -> bool:
    """Whether it is there, or could be installed there."""

    def bring() -> bool:
        address = f"{HOST}/{archive}"
        seconds = download_seconds(address)
        if seconds is None or seconds > BUILD_SECONDS[what]:
            return False
        unfinished = target.with_name(f"{target.name}.unfinished-{os.getpid()}")
        unfinished.mkdir(parents=True)
        try:
            with step(f"{what} from {HOST}"):
                if not install(unfinished, 2 * seconds + INSTALL_SECONDS):
                    return False
            unfinished.rename(target)
        except OSError:  # Another run was quicker.
            return target.is_dir()
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return True

    return target.is_dir() or (remembered(f"{HOST}/{archive}", bring) and target.is_dir())


def download_seconds(address: str) -> float | None:
    """How long all of it would take, by its first bytes; None where these do not come,
    or do not come in time.
    """
    request = urllib.request.Request(address, headers={"Range": f"bytes=0-{_SAMPLE - 1}"})  # noqa: S310
    started = time.monotonic()
    try:
        # An opener of its own: the shared one keeps the proxies of its first use.
        with urllib.request.build_opener().open(request, timeout=PROBE_SECONDS) as answer:
            length = answer.headers.get("Content-Range") or answer.headers.get("Content-Length") or ""
            size = re.search(r"(\d+)$", length)
            wanted = min(_SAMPLE, int(size[1])) if size else 0
            seen = answer.read1()
            if not size or not seen.startswith(b"\x1f\x8b"):  # no archive: another page in its place
                return None
            count = len(seen)
            while count < wanted and time.monotonic() - started < PROBE_SECONDS and (seen := answer.read1()):
                count += len(seen)
    except OSError:
        return None
    return int(size[1]) * (time.monotonic() - started) / count


def _run(command: Sequence[str], own: Mapping[str, str], seconds: float) -> bool:
    """Whether a command ends well in time; what it has started ends with it."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=os.environ | own, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _starts(program: Path) -> bool:
    try:
        subprocess.run(
            [program], stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except OSError:
        return False
    except subprocess.TimeoutExpired:
        pass
    return True


def _system() -> str:
    return "darwin" if sys.platform == "darwin" else "linux"


def _is_arm() -> bool:
    return platform.machine() in ("aarch64", "arm64")
