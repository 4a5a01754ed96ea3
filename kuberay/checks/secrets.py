"""What keeps secrets and charts less safe than it could. Pure.

These are warnings and no errors: a stack that runs with a short password must not be
kept from every other change until its Redis has another one.
"""

from collections.abc import Iterator
from typing import Any, Final

from kuberay.checks.flags import PASSWORD_FLAG, is_plain_password
from kuberay.checks.messages import Place
from kuberay.facts.addresses import is_loopback, split_login
from kuberay.facts.phrases import first_few
from kuberay.plan.ray_cluster_spec import ray_start_params
from kuberay.plan.stack import StackPlan

#: Redis answers a million guesses a second (its own documentation of AUTH). Twelve
#: letters and digits last longer than anyone tries.
SHORTEST_PASSWORD: Final = 12


def weak_secrets(plan: StackPlan, *, repository_is_encrypted: bool) -> Iterator[str]:
    """A line for each of them."""
    short: list[str] = []
    for placed in plan.placed:
        redis, values = placed.plan.settings.gcs_fault_tolerance, placed.plan.values
        password = redis and redis.redis_password and redis.redis_password.value
        raw = (values.get("gcsFaultTolerance") or {}).get("redisPassword")
        flag = ray_start_params(values["head"]).get(PASSWORD_FLAG)
        given: dict[Place, Any] = {
            (*placed.here, "gcsFaultTolerance", "redisPassword"): password and password.get_secret_value(),
            (*placed.here, "values", "gcsFaultTolerance", "redisPassword"): (
                raw.get("value") if isinstance(raw, dict) else raw
            ),
            placed.place("head", "rayStartParams", PASSWORD_FLAG): (
                flag if is_plain_password(flag) else None
            ),
        }
        short += [
            ".".join(place)
            for place, text in given.items()
            if text is not None and len(str(text)) < SHORTEST_PASSWORD
        ]
    if short:
        why = f"shorter than {SHORTEST_PASSWORD} characters, and Redis lets a million a second be tried"
        yield f"{first_few(short)}: {why}; set a longer one"
    repository = plan.settings.chart_repository
    if repository.startswith("http://") and not is_loopback(repository):
        address = split_login(repository)[0]
        yield (
            f"chartRepository: what {address} gives can be exchanged by anyone on the way, the operator among"
            " it; use https://"
        )
    if "://" in repository and split_login(repository)[1] and not repository_is_encrypted:
        command = "`pulumi config set --secret kuberay:chartRepository`"
        yield (
            f"chartRepository: everyone can read the login that stands in the stack file; {command}"
            " encrypts it"
        )
