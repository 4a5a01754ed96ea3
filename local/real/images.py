"""The container images of real nodes, made here: of Debian's packages, PyPI's wheels
and the operator that Go built.

Each is kept in the cache as an OCI layout, named after all that decides its content,
and made once.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import tools
from local.errors import LocalError
from local.progress import step
from local.real import debian

RAY_REQUIREMENTS = Path(__file__).parent / "ray_image/requirements.txt"
RAY_SUITE = "bookworm"
#: Debian's own Python of that suite; Ray's images for it are tagged py311.
RAY_PYTHON = "3.11"
#: wget asks for Ray's health in KubeRay's probes; procps is in Ray's image as well.
RAY_PACKAGES = ("python3", "python3-pip", "wget", "ca-certificates", "procps")
_PAUSE = ("catatonit",)
#: By which the operator reads the time zone of a schedule.
_ZONES = ("tzdata",)
_NO_DOCUMENTS = "path-exclude=/usr/share/{doc,info,man,locale}/*"


@dataclass(frozen=True)
class Image:
    """One image and how it is made."""

    reference: str
    """As pods name it, with registry and tag: `docker.io/rayproject/ray:2.46.0-py311`.
    """
    fill: Callable[[Path], None]
    """Lays its files into an empty folder, as root."""
    recipe: str
    """Everything that decides which files those are."""
    config: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """What the image's config says: `user`, `env`, `entrypoint`, … -> values."""

    @property
    def name(self) -> str:
        """The reference without its tag."""
        return self.reference.rpartition(":")[0]

    @property
    def tag(self) -> str:
        return self.reference.rpartition(":")[2]

    @property
    def key(self) -> str:
        """Names what is in the cache."""
        content = repr((self.reference, self.recipe, sorted(self.config.items()), platform.machine()))
        return (
            f"{self.name.rpartition('/')[2]}-{self.tag}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        )


def pause() -> Image:
    """What holds a pod's network while its containers come and go."""

    def fill(root: Path) -> None:
        shutil.copy(debian.unpacked(_PAUSE) / "usr/bin/catatonit", root / "catatonit")

    return Image(
        "kuberay.local/pause:1",
        fill,
        "catatonit",
        {"entrypoint": ["/catatonit", "-P"], "user": ["65535:65535"]},
    )


def operator(tool: tools.Tool, program: Path) -> Image:
    """The KubeRay operator, built as it is for simulated nodes, where its own image has
    it.
    """

    def fill(root: Path) -> None:
        shutil.copy(program, root / "manager")
        zones = Path("usr/share/zoneinfo")
        shutil.copytree(debian.unpacked(_ZONES) / zones, root / zones, symlinks=True)

    return Image(
        f"quay.io/kuberay/operator:v{tool.version}",
        fill,
        repr((tool.key, _ZONES)),
        {"entrypoint": ["/manager"], "user": ["65532:65532"], "workingdir": ["/"]},
    )


def ray(requirements: Path = RAY_REQUIREMENTS) -> Image:
    """Ray as its own images have it, as far as Debian's Python allows: user 1000 named
    ray, `ray` and `python` on PATH, bash, wget.

    ``requirements``: pins Ray and all that it needs.
    """
    version = ray_version(requirements)
    suffix = "-aarch64" if platform.machine() in ("aarch64", "arm64") else ""
    return Image(
        f"docker.io/rayproject/ray:{version}-py{RAY_PYTHON.replace('.', '')}{suffix}",
        lambda root: _fill_ray(root, requirements),
        repr((requirements.read_text(), RAY_SUITE, RAY_PACKAGES, _SET_UP_RAY)),
        {
            "user": ["1000:100"],
            "workingdir": ["/home/ray"],
            "env": [
                "HOME=/home/ray",
                "PATH=/usr/local/bin:/usr/bin:/bin",
                "LANG=C.UTF-8",
                "RAY_USAGE_STATS_ENABLED=0",
                # Parts of the dashboard are processes that import Ray; with two cores
                # for everything that takes longer than Ray allows.
                "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT=180",
            ],
        },
    )


def ray_version(requirements: Path = RAY_REQUIREMENTS) -> str:
    """The version that the image's requirements pin."""
    pinned = next(line for line in requirements.read_text().splitlines() if line.startswith("ray["))
    return pinned.rpartition("==")[2]


_SET_UP_RAY = """
set -e
useradd --uid 1000 --gid 100 --create-home --shell /bin/bash ray
ln -s python3 /usr/bin/python
pip="python3 -m pip install --quiet --no-compile --root-user-action ignore --break-system-packages"
$pip --no-index --find-links /wheels -r /wheels/requirements.txt
python3 -m compileall -q /usr/local/lib/python3.11/dist-packages >/dev/null || true
rm -rf /wheels /root/.cache
"""


def _fill_ray(root: Path, requirements: Path) -> None:
    programs = debian.unpacked(debian.IMAGE_TOOLS)
    environment = os.environ | {"PATH": f"{programs / 'usr/bin'}:{os.environ['PATH']}"}
    # In a mount namespace of its own: what is mounted on the way is gone with it, also
    # when it is killed.
    bootstrap = [
        "unshare",
        "--mount",
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(RAY_PACKAGES)}",
    ]
    _run([*bootstrap, f"--dpkgopt={_NO_DOCUMENTS}", RAY_SUITE, str(root)], environment)
    wheels = root / "wheels"
    wheels.mkdir()
    shutil.copy(requirements, wheels / "requirements.txt")
    tags = [f"{name}_{platform.machine()}" for name in ("manylinux2014", "manylinux_2_17", "manylinux_2_28")]
    platforms = [argument for tag in tags for argument in ("--platform", tag)]
    # From outside of the image: there this machine's settings of pip count, and not
    # within.
    wanted = [
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={RAY_PYTHON}",
        *platforms,
        "-r",
        str(requirements),
    ]
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--dest",
            str(wheels),
            *wanted,
        ],
        environment,
    )
    inside = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    _run(["chroot", str(root), "sh", "-c", _SET_UP_RAY], inside)


def layout(image: Image) -> Path:
    """The image as an OCI layout in the cache; it is made when it is not there."""
    target = tools.cache_folder() / "images" / image.key
    if target.is_dir():
        return target
    umoci = debian.unpacked(debian.IMAGE_TOOLS) / "usr/bin/umoci"
    for packages in (_PAUSE, _ZONES):  # now, as the next lines hold the lock that it takes
        debian.unpacked(packages)
    with tools.building_alone():
        if not target.is_dir():
            with step(f"image {image.reference}"):
                _make(image, target, umoci)
    return target


def _make(image: Image, target: Path, umoci: Path) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    root = target.with_name(f"{target.name}.files")
    for folder in (unfinished, root):
        shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True)
    image.fill(root)
    made = f"{unfinished}:{image.tag}"
    config = [
        argument
        for key, values in image.config.items()
        for value in values
        for argument in (f"--config.{key}", value)
    ]
    for arguments in (
        ["init", "--layout", str(unfinished)],
        ["new", "--image", made],
        ["insert", "--image", made, str(root), "/"],
        ["config", "--image", made, *config],
    ):
        _run([str(umoci), *arguments])
    shutil.rmtree(root)
    unfinished.rename(target)


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(f"    {line}" for line in (done.stderr or done.stdout).strip().splitlines()[-8:])
        raise LocalError(f"an image cannot be made, {Path(command[0]).name} failed:\n{last}")
