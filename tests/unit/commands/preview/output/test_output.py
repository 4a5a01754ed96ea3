"""The report reads well: the summary first, equal changes together, and short enough
for a comment.
"""

import copy
import json

from commands.preview.manifests import diff
from commands.preview.meaning.report import (
    Cost,
    Fit,
    LeftOut,
    ManifestDiff,
    MonthlyCost,
    RayChange,
    Report,
    StackReport,
    Totals,
    worst,
)
from commands.preview.meaning.stack_report import stack_report
from commands.preview.meaning.steps import read_preview
from commands.preview.output.markdown import COMMENT_LIMIT, markdown
from commands.preview.output.terminal import terminal
from tests.paths import PREVIEWS


def report_of(*names: str) -> Report:
    stacks = [
        stack_report(name, read_preview(json.loads((PREVIEWS / f"{name}.json").read_text())))
        for name in names
    ]
    return Report(level=worst(stack.level for stack in stacks), stacks=stacks)


def hundred(*, alike: bool) -> Report:
    """The raised memory of one cluster, a hundred times."""
    report = report_of("memory")
    (stack,) = report.stacks
    (change,) = stack.ray
    stack.ray = []
    for number in range(100):
        one = copy.deepcopy(change)
        one.name = f"ray{number}"
        text = [
            f"@@ RayCluster ray{number}-kuberay @@",
            "-  memory: 2G",
            "+  memory: 3G",
            *["   context"] * 60,
        ]
        one.manifests = ManifestDiff(rendered_for="ray0" if alike else one.name, lines=text)
        if not alike:
            one.values = [f"+ head.labels.number: {number}", *one.values * 5]
        stack.ray.append(one)
    return report


def shown(report: Report, limit: int | None = None) -> str:
    return markdown(report, limit=limit, title="What a merge does").replace("\u00a0", " ")


def test_the_first_ten_lines_name_the_pods_that_restart_and_the_new_total() -> None:
    first = "\n".join(shown(report_of("memory")).splitlines()[:10])
    assert "**Ray pods restart**: 1 pod of raycluster (workergroup)" in first
    assert "16G → **17G**" in first
    assert "(memory 2G → 3G)" in first


def test_there_is_a_row_a_stack() -> None:
    text = shown(report_of("nothing", "memory", "cluster-removed", "broken"))
    said = {
        line.split("|")[1].strip(): line.split("|")[2] for line in text.splitlines() if line.startswith("| ")
    }
    assert "nothing changes" in said["nothing"]
    assert "**Ray pods restart**" in said["memory"]
    assert "**something is destroyed**: cluster other" in said["cluster-removed"]
    assert "**the preview fails**: `kuberay:archtecture:` " in said["broken"]


def test_a_hundred_equal_changes_are_one() -> None:
    text = shown(hundred(alike=True), COMMENT_LIMIT)
    assert text.count("memory 2G → 3G") == 1
    assert "100 clusters: ray0, ray1, ray2 and 97 more" in text
    assert all(f"ray{number}" in text for number in range(100))
    assert "Left out" not in text


def test_a_hundred_different_changes_fit_in_a_comment_with_their_headlines() -> None:
    report = hundred(alike=False)
    whole, comment = shown(report), shown(report, COMMENT_LIMIT)
    assert len(comment) <= COMMENT_LIMIT < len(whole)
    assert all(
        f"**cluster ray{number}**: 1 pod of workergroup restarts (memory 2G → 3G)" in comment
        for number in range(100)
    )
    assert "Left out here for its length" in comment
    assert "Left out" not in whole
    assert whole.count("Rendered manifests") == 100


def test_even_what_cannot_be_shortened_stays_within_the_limit() -> None:
    report = report_of("memory")
    stacks = [
        StackReport(stack=f"stack{number}", level="failed", errors=["x" * 2000]) for number in range(50)
    ]
    assert (
        len(shown(Report(level="failed", stacks=[*report.stacks, *stacks]), COMMENT_LIMIT)) <= COMMENT_LIMIT
    )


def test_values_cannot_break_out_of_their_fence() -> None:
    report = report_of("memory")
    report.stacks[0].ray[0].values = ["+ a: ```", "+ b: | pipe"]
    assert "````diff\n+ a: ```\n" in shown(report)


def test_an_unknown_total_is_a_question_mark_and_not_a_guess() -> None:
    report = Report(
        level="changes",
        stacks=[StackReport(stack="dev", level="changes", before=Totals(cpu="2", memory="4G", gpus=0))],
    )
    assert "| 4G → **?** |" in shown(report)


def with_costs(*stacks: str) -> Report:
    """The raised memory, with what it costs and why it does not fit; ``stacks``: the
    currency of each.
    """
    report = report_of(*(["memory"] * len(stacks)))
    for stack, currency in zip(report.stacks, stacks, strict=True):
        before, after = Cost(amount=1234.4, least=99.5, most=2000), Cost(amount=1500, least=99.5, most=2400)
        stack.cost = MonthlyCost(currency=currency, before=before, after=after)
        stack.ray[0].cost_before, stack.ray[0].cost_after = Cost(amount=12.5, least=12.5, most=12.5), None
        stack.fit = Fit(answer="does not fit", why=["there is no room", "nor will there be"])
    return report


def test_a_column_tells_what_a_month_costs_and_a_line_whether_it_fits() -> None:
    text = shown(with_costs("EUR"))
    assert "| CPU | Memory | GPU | A month (EUR) |" in text
    assert "| 1,234 (99.50–2,000) → **1,500 (99.50–2,400)** |" in text
    assert "- a month: 12.50 → **?** EUR" in text
    assert "- 🚫 **Does not fit the nodes**\n  - there is no room\n  - nor will there be\n" in text
    printed = terminal(with_costs("EUR"), colours=False)
    assert "GPU 0, a month 1,234 (99.50–2,000) → 1,500 (99.50–2,400) EUR\n" in printed
    assert "does not fit the nodes\n  there is no room\n  nor will there be\n" in printed


def test_several_currencies_stand_beside_their_amounts() -> None:
    text = shown(with_costs("EUR", "USD"))
    assert "| GPU | A month |" in text
    assert "→ **1,500 (99.50–2,400)** USD |" in text


def test_without_prices_and_pods_the_report_is_as_it_was() -> None:
    assert "month" not in shown(report_of("memory")) + terminal(report_of("memory"), colours=False)


def test_the_terminal_says_the_same_without_marks() -> None:
    text = terminal(report_of("memory", "nothing"), colours=False)
    assert text.splitlines()[0] == "memory   Ray pods restart: 1 pod of raycluster (workergroup)"
    assert text.splitlines()[1].strip() == "CPU 6, Memory 16G → 17G, GPU 0"
    assert "**" not in text
    assert "\x1b" not in text
    assert "\x1b[33mRay pods restart" in terminal(report_of("memory"), colours=True)


def test_the_data_is_the_report() -> None:
    report = report_of("memory", "broken")
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_manifests_are_compared_object_by_object() -> None:
    old = {"Service a": "kind: Service\nspec: 1\n", "Role b": "kind: Role\n"}
    new = {"Service a": "kind: Service\nspec: 2\n", "Role b": "kind: Role\n"}
    assert diff(old, new) == ["@@ Service a @@", " kind: Service", "-spec: 1", "+spec: 2"]
    assert diff({}, {"Role b": "kind: Role\n"}) == ["@@ Role b @@", "+kind: Role"]
    assert diff(old, old) == []


def test_what_a_request_waits_for_stands_below_the_table() -> None:
    report = report_of("nothing")
    report.left_out = LeftOut(
        commit="0" * 40, waiting=["__main__.py", "<img src=x>.py", "a`b\n::add-mask::x", *["more.py"] * 20]
    )
    assert shown(report).rstrip("\n").split("\n\n")[2:] == [
        "**Not in this preview**, which main's code has made of the request's settings. "
        f"A preview of all of it waits for an approval, of commit `{'0' * 40}` (docs/reviewing.md):",
        "    __main__.py\n    <img src=x>.py\n    a`b\\n::add-mask::x\n"
        + "    more.py\n" * 17
        + "    and 3 more",
    ]


def test_an_entrypoint_hides_no_other_stack_and_forges_no_table() -> None:
    entrypoint = (
        "python main.py <!--\n\n| Stack | What happens |\n| --- | --- |\n| prod | nothing changes |\n@admin"
    )
    change = RayChange(kind="job", name="train", operation="create", headline=f"new: runs `{entrypoint}`")
    stack = StackReport(stack="dev", level="changes", ray=[change])
    assert "**job train**: new: runs `python main.py <!--\\n\\n| Stack | What" in shown(
        Report(level="changes", stacks=[stack])
    )
