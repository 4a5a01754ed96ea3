"""For all tests."""

import pytest

from stacks.interrupts import take_interrupts

take_interrupts()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`: tests that share a cluster go to one worker; a file's with one operator, and all that have real pods."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    folder, file = item.path.parent.name, item.path.stem
    if folder == "real":
        return folder
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return ".".join([folder, file, *([str(parameters["cluster"])] if "cluster" in parameters else [])])
