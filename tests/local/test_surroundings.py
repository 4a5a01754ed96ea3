"""What is found out about this machine's surroundings is remembered for a day."""

from pathlib import Path

import pytest

from local import surroundings


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERAY_CACHE", str(tmp_path))


def test_a_slow_question_is_asked_once() -> None:
    asked: list[str] = []

    def find_out() -> bool:
        asked.append("asked")
        return True

    assert surroundings.remembered("is it there?", find_out)
    assert surroundings.remembered("is it there?", find_out)
    assert len(asked) == 1


def test_an_answer_is_forgotten_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not surroundings.remembered("is it there?", lambda: False)
    monkeypatch.setattr(surroundings, "REMEMBERED_SECONDS", -1)
    assert surroundings.remembered("is it there?", lambda: True)
