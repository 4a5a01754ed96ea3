"""The image follows the settings."""

import pytest

from kuberay.facts.images import ray_image, split_reference


@pytest.mark.parametrize(
    ("python_version", "accelerator", "architecture", "custom_image", "expected"),
    [
        ("3.10", None, "aarch64", None, "rayproject/ray:2.46.0-py310-aarch64"),
        ("3.10", None, "x86", None, "rayproject/ray:2.46.0-py310"),
        ("3.12", "gpu", "x86", None, "rayproject/ray:2.46.0-py312-gpu"),
        ("3.9", "cu124", "aarch64", None, "rayproject/ray:2.46.0-py39-cu124-aarch64"),
        ("3.10", None, "aarch64", "mirror:5000/ray", "mirror:5000/ray:2.46.0-py310-aarch64"),
        ("3.10", None, "aarch64", "team/ray:ours", "team/ray:ours"),
        ("3.10", None, "x86", "team/ray@sha256:abc", "team/ray@sha256:abc"),
    ],
)
def test_the_tag_is_made_of_ray_python_accelerator_and_architecture(
    python_version: str, accelerator: str | None, architecture: str, custom_image: str | None, expected: str
) -> None:
    image = ray_image(
        ray_version="2.46.0",
        python_version=python_version,
        accelerator=accelerator,
        architecture=architecture,  # pyright: ignore[reportArgumentType]
        custom_image=custom_image,
    )
    assert f"{image.repository}:{image.tag}" == expected


def test_the_colon_of_a_registry_port_is_no_tag() -> None:
    assert split_reference("localhost:5000/ray") == ("localhost:5000/ray", None)
    assert split_reference("localhost:5000/ray:1") == ("localhost:5000/ray", "1")
