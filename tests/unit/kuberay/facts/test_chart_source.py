"""Where charts come from."""

from pathlib import Path

from kuberay.facts.addresses import Login
from kuberay.facts.chart_source import chart_source


def test_a_login_is_apart_from_the_address_of_its_repository_and_in_no_text_of_both() -> None:
    def source(repository: str) -> tuple[str | None, Login | None, str]:
        found = chart_source("ray-cluster", version="1.3.0", repository=repository, project_folder=Path())
        return found.repository, found.login, str(found)

    address, login, text = source("https://me:hunter%2F2%40@charts.example:8443/a?b")
    assert (address, login) == ("https://charts.example:8443/a?b", Login("me", "hunter/2@"))
    assert "hunter" not in text
    assert source("https://t0ken@charts.example")[:2] == ("https://charts.example", Login("t0ken", ""))
    assert source("https://charts.example/@a")[:2] == ("https://charts.example/@a", None)
