"""Images as containerd keeps them, unpacked once: a cluster gets hard links to them,
which takes a second.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local import tools
from local.cluster import until
from local.errors import LocalError
from local.progress import step
from local.real import debian, images, node
from local.real.images import Image

_START_SECONDS = 30


def give(wanted: Sequence[Image], folder: Path) -> None:
    """Fills containerd's folder of a new cluster with these images."""
    prepared = store(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Files of images are never written, only laid under others; containerd's databases
    # are.
    if subprocess.run(["cp", "-al", str(prepared), str(folder)], capture_output=True, check=False).returncode:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["cp", "-a", str(prepared), str(folder)], check=True)  # on another file system
    for database in prepared.rglob("*.db"):
        copy = folder / database.relative_to(prepared)
        copy.unlink()
        shutil.copy(database, copy)


def store(wanted: Sequence[Image]) -> Path:
    """A folder of containerd's with these images, in the cache."""
    layouts = [images.layout(image) for image in wanted]
    key = hashlib.sha256(repr((sorted(image.key for image in wanted), debian.NODE)).encode()).hexdigest()[:12]
    target = tools.cache_folder() / "containerd" / key
    if target.is_dir():
        return target
    programs = debian.unpacked(debian.NODE)
    with tools.building_alone():
        if not target.is_dir():
            with step("unpacking the images"):
                _import(wanted, layouts, programs, target)
    return target


def _import(wanted: Sequence[Image], layouts: Sequence[Path], programs: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    scratch = target.with_name(f"{target.name}.run")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    socket = scratch / "containerd.sock"
    configuration = scratch / "config.toml"
    configuration.write_text(node.containerd_importing(unfinished, scratch / "state", socket))
    daemon = [programs / "usr/bin/containerd", "--config", configuration, "--log-level=error"]
    log = (scratch / "log").open("w")
    # What it mounts while it unpacks is seen by nobody else, and gone with it.
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    with log, subprocess.Popen([*apart, *daemon], stdout=log, stderr=log) as containerd:
        try:
            until(lambda: socket.exists() or containerd.poll() is not None, _START_SECONDS)
            if containerd.poll() is not None or not socket.exists():
                raise LocalError(f"containerd does not start: {(scratch / 'log').read_text().strip()[-500:]}")
            for image, layout in zip(wanted, layouts, strict=True):
                load(programs, socket, image, layout)
        finally:
            containerd.kill()
    shutil.rmtree(scratch)
    unfinished.rename(target)


def load(programs: Path, socket: Path, image: Image, layout: Path) -> None:
    """Brings one image to a containerd that runs."""
    arguments = ["--namespace", "k8s.io", "images", "import", "--base-name", image.name, "-"]
    with subprocess.Popen(["tar", "-C", layout, "-cf", "-", "."], stdout=subprocess.PIPE) as packed:
        ctr = [programs / "usr/bin/ctr", "--address", socket, *arguments]
        done = subprocess.run(ctr, stdin=packed.stdout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalError(f"containerd does not take image {image.reference}: {done.stderr.strip()}")
