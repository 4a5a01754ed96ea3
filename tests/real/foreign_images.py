"""Images for failures: made for another architecture, and one with Redis."""

import platform
import shutil
from pathlib import Path

from local.real import debian, images
from local.real.images import Image

_EM_X86_64 = (62).to_bytes(2, "little")
_EM_AARCH64 = (183).to_bytes(2, "little")


def of_another_architecture() -> Image:
    """Ray's image as a machine of the other kind would need it: its shell is no program
    for this one.
    """
    on_arm = platform.machine() in ("aarch64", "arm64")

    def fill(root: Path) -> None:
        (root / "bin").mkdir()
        shell = bytearray(Path("/bin/bash").read_bytes())
        # The machine's field in the header of an ELF file.
        shell[18:20] = _EM_X86_64 if on_arm else _EM_AARCH64
        (root / "bin/bash").write_bytes(shell)
        (root / "bin/bash").chmod(0o755)

    version = images.ray().tag.removesuffix("-aarch64")
    return Image(
        f"docker.io/rayproject/ray:{version}{'' if on_arm else '-aarch64'}",
        fill,
        "bash of the other architecture",
    )


def redis() -> Image:
    """Redis of Debian, and the libraries that it needs."""
    names = """redis-server redis-tools libc6 libssl3 libsystemd0 liblua5.1-0 lua-bitop lua-cjson libjemalloc2
        libatomic1 liblzf1 libcap2 libgcrypt20 libgpg-error0 liblz4-1 liblzma5 libzstd1 libstdc++6
        libgcc-s1"""
    packages = tuple(names.split())

    def fill(root: Path) -> None:
        shutil.copytree(debian.unpacked(packages), root, symlinks=True, dirs_exist_ok=True)

    debian.unpacked(packages)
    config = {"entrypoint": ["/usr/bin/redis-server"], "user": ["1000:1000"]}
    return Image("kuberay.local/redis:7", fill, repr(packages), config)
