"""A way in from outside the Kubernetes cluster is an Ingress, or an HTTPRoute where a
Gateway is named.
"""

from typing import Any

from kuberay.plan.dry_run import questions, what_changes
from kuberay.plan.expose import Route
from kuberay.plan.stack import plan_stack
from tests.stack_config import load

SERVE = {"applications": [{"import_path": "chat:app"}]}
WAY: dict[str, Any] = {"host": "ray.example.com", "controllerNamespace": "ingress-nginx"}


def of_cluster(**more: Any) -> dict[str, Any]:
    return {"rayVersion": "2.52.0", "clusters": {"ray": {"expose": {"dashboard": WAY | more}}}}


def routes(**settings: Any) -> tuple[Route, ...]:
    return plan_stack(load(**settings)).routes


def test_an_ingress_leads_to_the_service_of_the_head() -> None:
    (route,) = routes(**of_cluster(ingressClass="nginx", tlsSecret="ray-tls", annotations={"a/b": "c"}))
    assert route.manifest == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "ray-kuberay-head-svc", "namespace": "kuberay", "annotations": {"a/b": "c"}},
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": ["ray.example.com"], "secretName": "ray-tls"}],
            "rules": [
                {
                    "host": "ray.example.com",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {
                                    "service": {"name": "ray-kuberay-head-svc", "port": {"number": 8265}}
                                },
                            }
                        ]
                    },
                }
            ],
        },
    }
    assert route.address == "https://ray.example.com"


def test_a_gateway_makes_it_an_http_route() -> None:
    (route,) = routes(**of_cluster(gateway={"name": "public", "namespace": "gateways", "listener": "web"}))
    assert (route.manifest["apiVersion"], route.manifest["kind"]) == (
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
    )
    assert route.manifest["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "web"}],
        "hostnames": ["ray.example.com"],
        "rules": [{"backendRefs": [{"name": "ray-kuberay-dashboard", "port": 8265}]}],
    }
    # KubeRay's own says that its ports are no HTTP.
    assert route.service == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ray-kuberay-dashboard", "namespace": "kuberay"},
        "spec": {
            "selector": {"ray.io/cluster": "ray-kuberay", "ray.io/group": "headgroup"},
            "ports": [{"name": "http", "port": 8265}],
        },
    }
    # Nobody but the Gateway knows whether its listener has a certificate.
    assert route.address == "http://ray.example.com"
    (told,) = routes(**of_cluster(gateway={"name": "public", "namespace": "gateways"}, https=True))
    assert told.address == "https://ray.example.com"


def test_a_way_in_leads_to_where_fields_of_the_spec_have_moved_the_dashboard() -> None:
    config = of_cluster()
    config["clusters"]["ray"]["spec"] = {
        "headGroupSpec": {
            "headService": {"metadata": {"name": "front"}},
            "rayStartParams": {"dashboard-port": "9265"},
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "ray-head",
                            "image": "ray:mine",
                            "ports": [{"name": "dashboard", "containerPort": 9265}],
                        }
                    ]
                }
            },
        }
    }
    (route,) = routes(kuberayVersion="1.6.2", **config)
    (rule,) = route.manifest["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"] == {"service": {"name": "front", "port": {"number": 9265}}}
    assert route.policy is not None
    assert route.policy["spec"]["ingress"][0]["ports"] == [{"port": 9265, "protocol": "TCP"}]


def test_a_service_is_reached_where_its_applications_and_its_dashboard_are() -> None:
    expose = {"serve": WAY | {"host": "chat.example.com"}, "dashboard": WAY | {"withoutToken": True}}
    config = {"serveConfig": SERVE | {"http_options": {"port": 9000}}, "expose": expose}
    found = routes(clusters={}, services={"chat": config})
    ports = [route.policy["spec"]["ingress"][0]["ports"][0]["port"] for route in found if route.policy]
    assert [(route.key, route.address, route.manifest["metadata"]["name"]) for route in found] == [
        ("services.chat.expose.dashboard", "http://ray.example.com", "chat-head-svc"),
        ("services.chat.expose.serve", "http://chat.example.com", "chat-serve-svc"),
    ]
    assert ports == [8265, 9000]


def test_a_network_policy_opens_that_port_of_the_head_alone_and_to_that_namespace_alone() -> None:
    (route,) = routes(**of_cluster())
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ingress-nginx"]}
    assert route.policy == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "ray-kuberay-head-svc", "namespace": "kuberay"},
        "spec": {
            "podSelector": {"matchLabels": {"ray.io/cluster": "ray-kuberay", "ray.io/group": "headgroup"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"namespaceSelector": {"matchExpressions": [names]}}],
                    "ports": [{"port": 8265, "protocol": "TCP"}],
                }
            ],
        },
    }
    # Alone it would close the head to all others.
    (unlimited,) = routes(**of_cluster(), protection={"networkPolicy": {"enabled": False}})
    assert unlimited.policy is None


def test_the_api_server_is_asked_about_a_way_in_and_its_service_and_only_where_it_changes() -> None:
    key = "clusters.ray.expose.dashboard"
    plan = plan_stack(load(**of_cluster(gateway={"name": "public", "namespace": "gateways"})))
    asked = [(one.what, one.name, one.is_change, one.brought_by) for one in questions(plan, key)]
    assert asked == [
        (f"{key}, its Service", "ray-kuberay-dashboard", False, ""),
        (f"{key}, its HTTPRoute", "ray-kuberay-head-svc", True, "the Gateway API's CRDs"),
    ]
    before, after = what_changes(plan), what_changes(plan_stack(load(**of_cluster())))
    assert {whose for whose in before if before[whose] != after[whose]} == {key}
    assert key not in what_changes(plan_stack(load()))
