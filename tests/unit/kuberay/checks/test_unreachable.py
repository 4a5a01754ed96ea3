"""Jobs and services that nobody reaches are told."""

from typing import Any

from kuberay.checks.unreachable import unreachable_workloads
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def test_an_operator_of_another_namespace_has_to_be_let_in_to_jobs_and_services() -> None:
    jobs = {"train": {"entrypoint": "true"}}
    assert list(unreachable_workloads(plan_stack(load(operator={"install": False}, jobs=jobs)))) == [
        "jobs.train: an operator of another namespace does not reach Ray: name its namespace in"
        " protection.networkPolicy.allowedNamespaces"
    ]
    allowed = {"networkPolicy": {"allowedNamespaces": ["kuberay-system"]}}
    assert (
        list(
            unreachable_workloads(
                plan_stack(load(operator={"install": False}, jobs=jobs, protection=allowed))
            )
        )
        == []
    )
    assert list(unreachable_workloads(plan_stack(load(jobs=jobs)))) == []


def test_a_gateway_may_lead_to_no_dashboard_of_a_service_as_kuberay_says_it_is_no_http() -> None:
    way = {"controllerNamespace": "edge", "gateway": {"name": "public", "namespace": "edge"}}

    def at(host: str, **more: bool) -> dict[str, Any]:
        return way | {"host": f"{host}.example.com", **more}

    serve = {"applications": [{"import_path": "a:app"}]}
    services = {
        "chat": {"serveConfig": serve, "expose": {"dashboard": at("a", withoutToken=True), "serve": at("b")}}
    }
    clusters = {"ray": {"expose": {"dashboard": at("c", withoutToken=True)}}}
    assert list(unreachable_workloads(plan_stack(load(services=services, clusters=clusters)))) == [
        "services.chat.expose.dashboard: KubeRay says of that port that it is tcp (appProtocol), and some"
        " gateways, Traefik for one, lead no HTTPRoute there; an Ingress does not ask"
    ]
