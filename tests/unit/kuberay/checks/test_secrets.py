"""What keeps secrets and charts less safe than it could is warned of, and stops
nothing.
"""

from typing import Any

import pytest

from kuberay.checks.secrets import weak_secrets
from kuberay.plan.stack import plan_stack
from kuberay.settings.stack import StackSettings


def told(*, encrypted: bool = True, **settings: Any) -> list[str]:
    return list(
        weak_secrets(plan_stack(StackSettings.model_validate(settings)), repository_is_encrypted=encrypted)
    )


def redis(password: Any) -> dict[str, Any]:
    return {"gcsFaultTolerance": {"redisAddress": "redis:6379", "redisPassword": password}}


def test_a_short_password_is_told_wherever_it_stands_and_what_it_is_is_not() -> None:
    clusters = {
        "short": redis("hunter2"),
        "long": redis("hunter2hunter2"),
        "given": redis({"secretKeyRef": {"name": "r", "key": "k"}}),
    }
    services = {
        "chat": {
            "serveConfig": {"applications": [{"import_path": "a:b"}]},
            "rayCluster": redis({"value": "12345678901"}),
        }
    }
    assert told(clusters=clusters, services=services) == [
        "clusters.short.gcsFaultTolerance.redisPassword,"
        " services.chat.rayCluster.gcsFaultTolerance.redisPassword: shorter than 12 characters, and Redis"
        " lets a million a second be tried; set a longer one"
    ]


@pytest.mark.parametrize(
    "repository",
    ["https://charts.example", "http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:1", "oci://r"],
)
def test_a_repository_that_nobody_can_stand_in_for_is_not_told(repository: str) -> None:
    assert told(chartRepository=repository) == []


def test_a_repository_without_encryption_is_told() -> None:
    told_of = (
        "chartRepository: what http://charts.example/a gives can be exchanged by anyone on the way, the"
        " operator among it; use https://"
    )
    assert (
        told(chartRepository="http://charts.example/a")
        == told(chartRepository="http://me:hunter2@charts.example/a")
        == [told_of]
    )


def test_a_login_that_everyone_can_read_is_told() -> None:
    assert told(chartRepository="https://me:hunter2@charts.example", encrypted=False) == [
        "chartRepository: everyone can read the login that stands in the stack file; "
        "`pulumi config set --secret kuberay:chartRepository` encrypts it"
    ]


@pytest.mark.parametrize(
    ("cluster", "place"),
    [
        (
            {"values": {"gcsFaultTolerance": {"redisPassword": {"value": 123}}}},
            "values.gcsFaultTolerance.redisPassword",
        ),
        ({"head": {"rayStartParams": {"redis-password": "hunter2"}}}, "head.rayStartParams.redis-password"),
        (
            {"values": {"head": {"rayStartParams": {"redis-password": "hunter2"}}}},
            "values.head.rayStartParams.redis-password",
        ),
    ],
)
def test_a_short_password_is_told_that_a_raw_value_or_a_flag_has(cluster: dict[str, Any], place: str) -> None:
    why = "shorter than 12 characters, and Redis lets a million a second be tried; set a longer one"
    assert told(kuberayVersion="1.6.2", clusters={"a": cluster}) == [f"clusters.a.{place}: {why}"]


@pytest.mark.parametrize("variable", ["$A", "${A}", '"$A"'])
def test_a_flag_that_names_a_variable_has_no_password(variable: str) -> None:
    assert told(clusters={"a": {"values": {"head": {"rayStartParams": {"redis-password": variable}}}}}) == []
