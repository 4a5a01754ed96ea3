"""Before anything of the stack changes, the API server is asked whether it would take
what comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi

from components.resources.hooks import error_text, progress, resource_hook
from components.resources.release import source_of
from components.stack import is_encrypted, stack_connection
from kuberay.checks.messages import Problem, problem_line
from kuberay.facts.visible import log_line, log_lines
from kuberay.live.api.connection import Connection
from kuberay.plan.dry_run import questions, spec_given, what_changes
from kuberay.plan.stack import StackPlan


class DryRun(pulumi.Stash):
    """Made, and updated, when the API server would take every Ray cluster, job and
    service whose settings have changed.

    All that could be lost depends on it: where one object would be refused, none is
    touched. It asks in a hook, so where nothing has changed it asks nothing; a preview
    that reaches the cluster asks too.
    """

    def __init__(
        self,
        stack: StackPlan,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``depends_on``: the namespace and the operator with its CRDs, which have a
        say in the answers.
        """
        connection = stack_connection()
        version = stack.settings.kuberay_version

        async def ask_about_changes(args: pulumi.ResourceHookArgs) -> None:
            from kuberay.live.charts.contents import check_chart
            from kuberay.live.dry_run import NotAskedError, RefusedError, ask
            from kuberay.live.wait_loop import NotUpError

            before: Mapping[str, Any] = (args.old_inputs or {}).get("input") or {}
            in_preview = pulumi.runtime.is_dry_run()
            upgraded = before.get("kuberayVersion") != version
            changed = [
                whose
                for whose, digest in what_changes(stack).items()
                if upgraded or before.get(whose) != digest
            ]
            asked = [
                replace(question, hides_values=is_encrypted(whose.partition(".")[0]))
                for whose in changed
                for question in questions(stack, whose)
            ]
            await _refuse_unknown_fields(
                stack, changed, None if in_preview and upgraded else connection, self
            )
            of_chart = [f"clusters.{name}" for name, plan in stack.clusters.items() if not plan.resource]
            if not in_preview and not set(of_chart).isdisjoint(changed):
                # A release that is replaced is gone when its own hook looks.
                await check_chart(source_of("ray-cluster", stack.settings.charts))
            if in_preview and upgraded:
                # The CRDs that are to judge them come with the operator's new version.
                asked = [question for question in asked if not question.is_custom]
            try:
                try:
                    await ask(connection, asked, in_preview=in_preview)
                except NotAskedError as error:
                    if error.for_now:
                        raise
                    # Whether an operator runs can be known all the same.
                    self._warn_of_not_knowing(error)
                if asked:
                    await self._ask_for_an_operator(stack, connection)
            except (NotUpError, RefusedError):
                raise
            except Exception as error:
                # A preview has to work without access to the cluster, whatever keeps it
                # from there.
                if not in_preview:
                    raise
                self._warn_of_not_knowing(error)

        hook = resource_hook("dry-run", ask_about_changes, pulumi.ResourceHookOptions(on_dry_run=True))
        own = pulumi.ResourceOptions(
            depends_on=depends_on,
            hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]),
        )
        asked = {"kuberayVersion": version, **what_changes(stack)}
        super().__init__("dry-run", input=asked, opts=pulumi.ResourceOptions.merge(own, opts))

    def _warn_of_not_knowing(self, error: Exception) -> None:
        pulumi.log.warn(
            log_lines(f"not known whether Kubernetes would take what changes: {error_text(error)}"),
            resource=self,
        )

    async def _ask_for_an_operator(self, stack: StackPlan, connection: Connection) -> None:
        from kuberay.live.operator_at_work import wait_for_an_operator, why_no_pods_would_come

        if not pulumi.runtime.is_dry_run():
            await wait_for_an_operator(connection, stack.operator, stack.namespace.name, progress(self))
        elif why := await why_no_pods_would_come(connection, stack.operator, stack.namespace.name):
            # The same run may mend it, before anything depends on it.
            pulumi.log.warn(log_line(f"as it is now, {why}"), resource=self)


def _kind(stack: StackPlan, whose: str) -> str:
    kind, _, name = whose.partition(".")
    return {"clusters": "RayCluster", "services": "RayService"}.get(kind) or stack.jobs[name].kind


async def _refuse_unknown_fields(
    stack: StackPlan, changed: Sequence[str], connection: Connection | None, resource: pulumi.Resource
) -> None:
    """Fails where the owner gives a spec what the CRD does not take. ``connection``:
    None where the CRDs are of another version yet.
    """
    given = {whose: over for whose in changed if (over := spec_given(stack, whose))}
    if not given:
        return
    from kuberay.live.charts.contents import ChartError
    from kuberay.live.crds.schemas import refused_values
    from kuberay.live.crds.spec_check import spec_schemas

    kinds = {whose: _kind(stack, whose) for whose in given}
    try:
        schemas = await spec_schemas(
            connection, set(kinds.values()), source_of("kuberay-operator", stack.settings.charts)
        )
    except ChartError as error:
        # The API server says so too, if without what was meant.
        pulumi.log.warn(
            log_lines(f"not known whether KubeRay has the fields of each spec: {error_text(error)}"),
            resource=resource,
        )
        return
    version = stack.settings.kuberay_version
    problems = [
        Problem((*whose.split("."), "spec", *path), value, why)
        for whose, over in given.items()
        if (kind := kinds[whose]) in schemas
        for path, value, why in refused_values(over, schemas[kind], whose=f"a {kind} at KubeRay {version}")
    ]
    if problems:
        hidden = {key for key in ("clusters", "jobs", "services") if is_encrypted(key)}
        raise pulumi.RunError("\n".join(problem_line(problem, hidden) for problem in problems))
