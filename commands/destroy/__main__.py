"""Destroys a stack, whatever condition it is in:
`python -m commands.destroy --stack dev`.

Beyond what `pulumi destroy` does, it
  - goes on where a release or an object was deleted by hand, or a run was killed (it
    removes what that run was making);
  - goes on where KubeRay's custom resource definitions are gone, which Helm alone does
    not;
  - deletes Ray's resources without their clean-up where no operator runs that could do
    it, and says so;
  - deletes the namespace too, or says what it holds that the stack has not made, and
    leaves it alone.

KubeRay's custom resource definitions stay: deleting them would delete the Ray clusters
of everyone else.
"""

from collections.abc import Iterable

from commands.stack.cli import PROGRAM, Pulumi, StackConfig, StackError
from commands.stack.command import command_parser, ends_in_a_line
from commands.stack.state import Made, StackState, read_state
from kuberay.checks.loading import SettingsError, load_settings
from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.objects import Object, is_ray_object
from kuberay.facts.phrases import error_line, first_few
from kuberay.facts.visible import log_line
from kuberay.live.api.client import ApiError, HTTPError, refusal
from kuberay.live.inventory import Cluster, of_stack, until
from kuberay.live.takeover.marks import stack_of

#: A restarting operator is given this long, in seconds, before it counts as dead.
_OPERATOR_SECONDS = 20
#: How long Ray's pods and finalizers may take, in seconds.
_GONE_SECONDS = 300


def main() -> None:
    parser = command_parser("commands.destroy", __doc__)
    parser.add_argument("--stack", required=True, help="which stack")
    parser.add_argument("--config-file", help="its config, where that is not Pulumi.<stack>.yaml")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args()
    with ends_in_a_line("stopped; the same command goes on from here"):
        Destruction(Pulumi(given.stack, given.config_file)).run(ask=not given.yes)


class Destruction:
    def __init__(self, pulumi: Pulumi) -> None:
        self._pulumi = pulumi

    def run(self, *, ask: bool) -> None:
        stack = self._pulumi.stack
        state = read_state(self._pulumi.ask("stack", "export")["deployment"])
        config = self._pulumi.config()
        namespaces = {made.name for made in state.namespace_objects} | _namespaces_of(config)
        try:
            cluster = _connect(config, state.namespaces | namespaces)
            left = sorted(name for name in namespaces if cluster.has_mark(name, self._pulumi.mark))
            if state.is_empty and not left:
                say(f"stack {stack} has nothing to destroy")
                return
            named = ", ".join(sorted(state.namespaces.union(left))) or "–"
            say(f"stack {stack}: {state.size} resources, namespace {named}")
            if ask and _ask() != stack:
                raise StackError("not destroyed")
            if not state.is_empty:
                self._destroy(state, cluster)
            for name in left:
                self._delete_namespace(state, cluster, name)
        except ApiError as error:
            raise StackError(f"the Kubernetes API server refuses: {refusal(error)}") from None
        except HTTPError as error:
            raise StackError(
                f"the cluster stopped answering ({error_line(error)}); the same command goes on from here"
            ) from None
        except ClusterSilentError as error:
            if state.is_empty:
                unknown = f"whether its namespace is left is not known: {error}"
                say(f"stack {stack} has nothing to destroy; {unknown}")
                return
            without = f"PULUMI_K8S_DELETE_UNREACHABLE=true pulumi destroy --refresh --stack {stack}"
            raise StackError(f"{error}; if it is gone for good: {without}") from None
        say(f"stack {stack} is destroyed")

    def _destroy(self, state: StackState, cluster: Cluster) -> None:
        for namespace in sorted(state.namespaces):
            self._delete_without_operator(state, cluster, namespace)
        for made in state.interrupted:
            self._remove(cluster, made)
        self._forget_releases_of_lost_kinds(state, cluster)
        removed = [
            made for made in state.made if made.is_release and not cluster.records(made.namespace, made.name)
        ]
        # What was deleted by hand is noticed here, and the operations of killed runs
        # are dropped.
        say("reading what is there (pulumi refresh)")
        self._pulumi.change("refresh", "--clear-pending-creates")
        say("deleting what it has made (pulumi destroy)")
        self._pulumi.change("destroy")
        for made in removed:
            say(f"Helm release {made.name} was removed by hand; deleting what is there of it")
            self._remove_rendered(cluster, made, made.rendered)

    def _delete_without_operator(self, state: StackState, cluster: Cluster, namespace: str) -> None:
        """Only a living operator takes the finalizers off RayJobs, RayServices and
        fault-tolerant RayClusters.
        """
        ours = of_stack(cluster.ray_objects(namespace), self._pulumi.mark, state.releases)
        held = [obj for obj in ours if obj["metadata"].get("finalizers")]
        if not held:
            return
        installed = state.has_release(OPERATOR_RELEASE)
        if until(lambda: cluster.operator_runs(namespace, installed=installed), _OPERATOR_SECONDS):
            return
        # A run that goes on, and has its operator yet to come, holds the lock:
        # refreshing nothing is how Pulumi tells.
        self._pulumi.change("refresh", "--target", "**pulumi:pulumi:Stack::**")
        for obj in ours:
            finalizers = ", ".join(obj["metadata"].get("finalizers") or [])
            skipped = f"; no operator runs that could do its clean-up ({finalizers})" if finalizers else ""
            say(f"deleting {_name(obj)}{skipped}")
            cluster.delete(obj, finalizers=False)

    def _forget_releases_of_lost_kinds(self, state: StackState, cluster: Cluster) -> None:
        """Helm uninstalls no release with an object of a kind that is gone: such a
        release is then one that was removed by hand.
        """
        known = cluster.ray_kinds()
        for made in state.made:
            gone = {obj["kind"] for obj in made.rendered if is_ray_object(obj)} - known
            if made.is_release and gone:
                kinds = ", ".join(sorted(gone))
                say(
                    f"Helm release {made.name} holds a {kinds}, a kind that was deleted by hand; deleting"
                    " Helm's record of it"
                )
                for record in cluster.records(made.namespace, made.name):
                    cluster.delete_record(made.namespace, record)

    def _remove(self, cluster: Cluster, made: Made) -> None:
        """Something that a killed run was making, and of which Pulumi does not know."""
        if made.is_namespace or made.is_kept:
            return  # A namespace is looked at last.
        if not made.is_release:
            found = cluster.get(made.inputs)
            if found and of_stack([found], self._pulumi.mark, set()):
                say(f"deleting {_name(found)}, which a killed run was making")
                cluster.delete(found)
            return
        records = [
            record
            for record in cluster.records(made.namespace, made.name)
            if record.stack == self._pulumi.mark
        ]
        for record in records:
            say(f"deleting Helm release {made.name}, which a killed run was installing")
            self._remove_rendered(cluster, made, record.objects)
            cluster.delete_record(made.namespace, record)

    def _remove_rendered(self, cluster: Cluster, release: Made, rendered: Iterable[Object]) -> None:
        """Without Helm, for it knows nothing of the release any more, or not yet."""
        for obj in sorted(rendered, key=lambda obj: not is_ray_object(obj)):
            place = {} if obj["kind"].startswith("Cluster") else {"namespace": release.namespace}
            there = {**obj, "metadata": {"name": obj["metadata"]["name"], **place}}
            found = cluster.get(there)
            if found and of_stack([found], self._pulumi.mark, {(release.namespace, release.name)}):
                cluster.delete(there)
                if is_ray_object(there):
                    until(lambda there=there: cluster.get(there) is None, _GONE_SECONDS)

    def _delete_namespace(self, state: StackState, cluster: Cluster, name: str) -> None:
        """Goes too, unless it holds anything else."""
        until(
            lambda: not of_stack(cluster.ray_objects(name), self._pulumi.mark, state.releases), _GONE_SECONDS
        )
        if others := cluster.contents(name):
            shown = first_few([_name(obj) for obj in others], 10)
            if all(
                obj["kind"] == "PersistentVolumeClaim" and stack_of(obj) == self._pulumi.mark
                for obj in others
            ):
                say(
                    f"Namespace {name} stays, with {shown}: their data is kept; kubectl delete namespace"
                    f" {name} deletes it too"
                )
                return
            say(
                f"Namespace {name} is left alone, for it holds {shown}; a later stack uses it with"
                " `createNamespace: false`"
            )
            cluster.forget_mark(name)
            return
        say(f"deleting Namespace {name}")
        cluster.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if not until(lambda: not cluster.has_namespace(name), _GONE_SECONDS):
            raise StackError(
                f"Namespace {name} is being deleted and does not go; `kubectl describe namespace {name}` says"
                " what it waits for"
            )


def _ask() -> str:
    try:
        return input("Destroy it? Type the stack's name: ")
    except EOFError:
        raise StackError("not destroyed: nobody can be asked here; --yes destroys without asking") from None


class ClusterSilentError(Exception):
    """The stack's cluster does not answer."""


def _connect(config: StackConfig, namespaces: Iterable[str]) -> Cluster:
    try:
        at_once = Cluster(config.connection(), patience=0)
        for namespace in namespaces:
            at_once.has_namespace(namespace)
        cluster = Cluster(config.connection())
    except ApiError:
        raise
    except Exception as error:
        raise ClusterSilentError(f"the cluster does not answer ({error})") from None
    return cluster


def _namespaces_of(config: StackConfig) -> set[str]:
    """The namespace that the settings let the stack make; `pulumi destroy` takes it out
    of the state and leaves it there.
    """
    try:
        settings = load_settings(config.values, secret_keys=config.secret_keys, project_folder=PROGRAM)
    except SettingsError:
        return set()  # They may have been emptied before the stack is destroyed.
    return {settings.namespace} if settings.create_namespace else set()


def say(line: str) -> None:
    print(log_line(line), flush=True)


def _name(obj: Object) -> str:
    return f"{obj['kind']} {obj['metadata']['name']}"


if __name__ == "__main__":
    main()
