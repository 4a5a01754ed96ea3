"""GCS fault tolerance as KubeRay takes it: the same setting for every version.

From 1.5 on the chart writes `gcsFaultToleranceOptions`. The operators of 1.3 and 1.4
know them as well, but their chart cannot write them: there an annotation, and the
head's environment, say the same (`configureGCSFaultTolerance` in the operator's
pod.go). A head pod comes out the same both ways, so that upgrading KubeRay does not
restart it.
"""

import copy
from collections.abc import Mapping
from typing import Any

from kuberay.facts.labels import FAULT_TOLERANT, STORAGE_NAMESPACE
from kuberay.settings.cluster import GcsFaultToleranceSettings

PASSWORD_KEY = "password"


def password_secret(cluster: str) -> str:
    """Name of the Secret that holds a password from the stack's config."""
    return f"{cluster}-redis"


def is_fault_tolerant(values: Mapping[str, Any]) -> bool:
    """Whether a cluster of these values outlives its head, however it was asked for."""
    options, annotations = values.get("gcsFaultTolerance") or {}, values.get("annotations") or {}
    return options.get("enabled") is True or str(annotations.get(FAULT_TOLERANT)).lower() == "true"


def fault_tolerance_values(settings: GcsFaultToleranceSettings | None, cluster: str) -> dict[str, Any]:
    """`gcsFaultTolerance` as the chart has it from 1.5 on."""
    if settings is None:
        return {"enabled": False}
    values: dict[str, Any] = {"enabled": True, "redisAddress": settings.redis_address}
    if settings.external_storage_namespace:
        values["externalStorageNamespace"] = settings.external_storage_namespace
    if settings.redis_username:
        values["redisUsername"] = {"value": settings.redis_username}
    if settings.redis_password:
        given = settings.redis_password.secret_key_ref
        reference = given.model_dump() if given else {"name": password_secret(cluster), "key": PASSWORD_KEY}
        values["redisPassword"] = {"valueFrom": {"secretKeyRef": reference}}
    return values


def for_charts_before_1_5(values: dict[str, Any]) -> dict[str, Any]:
    """Values that say what `gcsFaultTolerance` says, for a chart that does
    not know it.
    """
    values = copy.deepcopy(values)
    options = values.pop("gcsFaultTolerance", {})
    if not options.get("enabled"):
        return values
    annotations = {FAULT_TOLERANT: "true"}
    if namespace := options.get("externalStorageNamespace"):
        annotations[STORAGE_NAMESPACE] = namespace
    values["annotations"] = annotations | (values.get("annotations") or {})
    head = values["head"]
    environment = [{"name": "RAY_REDIS_ADDRESS", "value": options["redisAddress"]}]
    if password := options.get("redisPassword"):
        environment.append({"name": "REDIS_PASSWORD", **password})
        head["rayStartParams"] = {"redis-password": "$REDIS_PASSWORD", **(head.get("rayStartParams") or {})}
    head["containerEnv"] = [*(head.get("containerEnv") or []), *environment]
    return values
