"""What a stack has made is told from what others have put beside it."""

from typing import Any

import pytest

from kuberay.live.inventory import is_put_there, of_stack, watches


def thing(kind: str = "RayCluster", name: str = "ray", uid: str = "1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": name, "uid": uid, **metadata}}


def test_objects_are_the_stacks_by_mark_by_release_and_by_owner() -> None:
    marked = thing("RayJob", "job", "1", annotations={"kuberay.pulumi/stack": "kuberay/dev"})
    of_job = thing("RayCluster", "job-x", "2", ownerReferences=[{"uid": "1"}])
    helms = {"meta.helm.sh/release-name": "ray", "meta.helm.sh/release-namespace": "team"}
    released = thing(name="ray", uid="3", annotations=helms)
    by_hand = thing(name="other", uid="4")
    other_release = thing(name="other2", uid="5", annotations=helms | {"meta.helm.sh/release-name": "theirs"})
    found = of_stack([marked, of_job, released, by_hand, other_release], "kuberay/dev", {("team", "ray")})
    assert [one["metadata"]["name"] for one in found] == ["job", "job-x", "ray"]


def test_what_comes_with_each_namespace_or_goes_by_itself_was_not_put_there() -> None:
    assert is_put_there(thing("ConfigMap", "notes"))
    assert not is_put_there(thing("ConfigMap", "kube-root-ca.crt"))
    assert not is_put_there(thing("ServiceAccount", "default"))
    assert not is_put_there(thing("Pod", "ray-head", ownerReferences=[{"uid": "1"}]))
    assert not is_put_there(thing("Pod", "going", deletionTimestamp="2026-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("arguments", "is_for_it"),
    [
        ([], True),
        (["--enable-leader-election=true"], True),
        (["--watch-namespace", "team"], True),
        (["--watch-namespace=other,team"], True),
        (["--watch-namespace=", "--enable-leader-election"], True),
        (["-watch-namespace=other"], False),
        (["--watch-namespace", "other,teams"], False),
    ],
)
def test_an_operator_takes_care_of_the_namespaces_that_it_watches(
    arguments: list[str], is_for_it: bool
) -> None:
    pod = {
        "spec": {
            "containers": [
                {"name": "sidecar"},
                {"name": "kuberay-operator", "command": ["/manager"], "args": arguments},
            ]
        }
    }
    assert watches(pod, "team") == is_for_it
