"""Nobody comes in from outside by mistake."""

from typing import Any

import pytest

from kuberay.checks.left_open import exposures
from kuberay.checks.loading import SettingsError
from kuberay.plan.stack import plan_stack
from tests.stack_config import load

WAY: dict[str, Any] = {"host": "ray.example.com", "controllerNamespace": "ingress-nginx"}
SERVE = {"applications": [{"import_path": "chat:app"}]}
NEW: dict[str, Any] = {"rayVersion": "2.52.0", "kuberayVersion": "1.6.2"}
AT = "kuberay:clusters.ray.expose.dashboard"
OPEN = "would let everyone who knows the address run code"
REMEDY = "withoutToken: true, if something else says who gets in"


def cluster(way: dict[str, Any] = WAY, **more: Any) -> dict[str, Any]:
    return {"clusters": {"ray": {"expose": {"dashboard": way}, **more}}}


def service(**ways: Any) -> dict[str, Any]:
    return {"clusters": {}, "services": {"chat": {"serveConfig": SERVE, "expose": ways}}}


def refused(**settings: Any) -> list[str]:
    try:
        load(**settings)
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            cluster(),
            (
                f'{AT}: "ray.example.com" {OPEN}: Ray asks for a token from rayVersion 2.52.0 on, and this is'
                f" 2.46.0; {REMEDY}"
            ),
        ),
        (
            cluster() | NEW | {"protection": {"tokenAuthentication": "disabled"}},
            f'{AT}: "ray.example.com" {OPEN}: protection.tokenAuthentication is disabled; {REMEDY}',
        ),
        (
            service(dashboard=WAY) | {"rayVersion": "2.52.0"},
            (
                f'kuberay:services.chat.expose.dashboard: "ray.example.com" {OPEN}: a token needs KubeRay'
                f" 1.5.1 or later; kuberayVersion is 1.3.0; {REMEDY}"
            ),
        ),
        (
            cluster(head={"rayStartParams": {"include-dashboard": False}}) | NEW,
            (
                f'{AT}: "ray.example.com" leads to no dashboard: rayStartParams or ports of the head leave'
                " it out"
            ),
        ),
        (
            cluster(WAY | {"ingressClass": "nginx", "gateway": {"name": "g", "namespace": "n"}}) | NEW,
            f'{AT}.ingressClass: "nginx" is for an Ingress, and gateway makes an HTTPRoute; leave it out',
        ),
        (
            cluster(
                WAY | {"gateway": {"name": "g", "namespace": "n"}},
                values={"head": {"headService": {"metadata": {"name": "ray-kuberay-dashboard"}}}},
            )
            | NEW,
            (
                f'{AT}: "ray.example.com" leads a gateway to Service ray-kuberay-dashboard, which is the name'
                " of the head's Service of clusters.ray; give that another name (headService)"
            ),
        ),
        (
            service(serve=WAY, dashboard=WAY) | NEW,
            (
                'kuberay:services.chat.expose.serve.host: "ray.example.com" is the host of'
                " services.chat.expose.dashboard too: requests could go to either; choose another"
            ),
        ),
        (
            {
                "clusters": {},
                "services": {
                    "chat": {
                        "serveConfig": SERVE,
                        "rayCluster": {"autoscaling": {}, "worker": {"maxReplicas": 1}},
                        "upgradeStrategy": "NewClusterWithIncrementalUpgrade",
                        "clusterUpgradeOptions": {"gatewayClassName": "istio"},
                        "expose": {"serve": WAY},
                    }
                },
            }
            | NEW,
            (
                'kuberay:services.chat.expose.serve: "ray.example.com" leads to no Service: with incremental'
                " upgrades requests go to the Gateway that KubeRay makes; leave it out"
            ),
        ),
        (
            cluster(WAY | {"host": "https://Ray.example.com/x"}) | NEW,
            (
                f'{AT}.host: "https://Ray.example.com/x" is not a host name alone, such as ray.example.com;'
                " did you mean 'ray.example.com'?"
            ),
        ),
        (
            cluster(WAY | {"host": "*.example.com"}) | NEW,
            f'{AT}.host: "*.example.com" is not a host name alone, such as ray.example.com',
        ),
        (
            cluster({"host": "ray.example.com"}) | NEW,
            f'{AT}.controllerNamespace: {{"host": "ray.example.com"}} is required',
        ),
    ],
)
def test_a_way_in_that_is_open_or_leads_nowhere_is_refused(settings: dict[str, Any], said: str) -> None:
    assert refused(**settings) == [said]


@pytest.mark.parametrize(
    "settings",
    [
        cluster() | NEW,
        cluster(WAY | {"withoutToken": True}),
        service(dashboard=WAY) | NEW,
        # Ray never asks for a token there.
        service(serve=WAY),
    ],
)
def test_a_way_in_with_a_token_or_that_is_meant_to_be_open_is_taken(settings: dict[str, Any]) -> None:
    assert refused(**settings) == []


def test_each_preview_says_where_ways_in_lead_and_for_whom() -> None:
    closed: dict[str, Any] = {"operator": {"singleNamespaceInstall": True}}
    said = list(exposures(plan_stack(load(**cluster(WAY | {"tlsSecret": "tls"}), **NEW, **closed))))
    lead = (
        "https://ray.example.com leads to the dashboard and the jobs API of clusters.ray, for whoever shows"
        " its token"
    )
    assert said == [f"{lead}: clusters.ray.expose.dashboard"]
    said = list(exposures(plan_stack(load(**service(serve=WAY), **NEW, **closed))))
    assert said == [
        (
            "http://ray.example.com leads to the applications of services.chat, for everyone: Ray asks for no"
            " token there: services.chat.expose.serve"
        ),
        (
            "what goes to http://ray.example.com is not encrypted, tokens neither: tlsSecret, or https where"
            " a certificate is held elsewhere"
        ),
    ]
