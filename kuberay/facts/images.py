"""Which Ray image a set of pods runs.

Tags of ``rayproject/ray`` are ``{ray}[-py{XY}][-cpu|-gpu|-cu{NNN}][-aarch64]``; without
a suffix the image is for x86, and no tag serves both architectures: the wrong one dies
with ``exec format error``.
"""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86", "aarch64"]

RAY_REPOSITORY = "rayproject/ray"

#: The value of the node label ``kubernetes.io/arch`` for each architecture.
NODE_ARCHITECTURE: dict[Architecture, str] = {"x86": "amd64", "aarch64": "arm64"}

ARCHITECTURE_ALIASES: dict[str, Architecture] = {"x86_64": "x86", "amd64": "x86", "arm64": "aarch64"}


@dataclass(frozen=True)
class Image:
    """An image as the ``ray-cluster`` chart takes it: ``repository`` and ``tag``,
    joined by a colon in the pod.
    """

    repository: str
    tag: str


def ray_image(
    *,
    ray_version: str,
    python_version: str,
    accelerator: str | None,
    architecture: Architecture,
    custom_image: str | None = None,
) -> Image:
    """The image for these settings; a ``custom_image`` that names a tag or digest is
    taken as it is.

    A ``custom_image`` without a tag (``registry.example/ray``) is a mirror of
    ``rayproject/ray``: the tag follows the settings.
    """
    if custom_image is not None:
        repository, tag = split_reference(custom_image)
        if tag is not None:
            return Image(repository, tag)
    else:
        repository = RAY_REPOSITORY
    parts = [
        ray_version,
        "py" + python_version.replace(".", ""),
        accelerator,
        "aarch64" if architecture == "aarch64" else None,
    ]
    return Image(repository, "-".join(part for part in parts if part))


def split_reference(reference: str) -> tuple[str, str | None]:
    """``repository`` and ``tag`` of an image reference; the tag is None where the
    reference has none.

    A digest (``ray@sha256:ab…``) splits at its last colon too: the chart joins the two
    with a colon again.
    """
    repository, colon, tag = reference.rpartition(":")
    # The colon of a registry's port (localhost:5000/ray) is followed by a path.
    return (repository, tag) if colon and "/" not in tag else (reference, None)


def is_ray_image(custom_image: str | None) -> bool:
    """Whether an image is one of Ray's own, or of a mirror of them: what is known of
    those holds for it.
    """
    if custom_image is None:
        return True
    repository, tag = split_reference(custom_image)
    return tag is None or "/".join(repository.split("/")[-2:]) in (
        RAY_REPOSITORY,
        f"{RAY_REPOSITORY}-ml",
        f"{RAY_REPOSITORY}-llm",
    )
