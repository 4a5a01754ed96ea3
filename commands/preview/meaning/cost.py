"""What a month costs before and after a change, by the prices in the stack's settings.
Pure.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from commands.preview.meaning.demand import Demand, GroupDemands, demands
from commands.preview.meaning.report import Cost, MonthlyCost, StackReport
from commands.preview.meaning.steps import Preview
from kuberay.facts.scheduling import is_device, requests_of
from kuberay.plan.made_pods import MadePods
from kuberay.settings.prices import HourPrices, PriceSettings

#: A year's hours by twelve, as clouds count them.
HOURS_A_MONTH = 730


class _UnknownPriceError(Exception):
    """Why a price cannot be told, in a few words."""


def add_costs(report: StackReport, preview: Preview) -> None:
    """Fills in what a month costs; nothing where the settings have no prices."""
    if preview.prices in ("", "{}") or report.level == "failed":
        return
    try:
        prices = PriceSettings.model_validate_json(preview.prices)
    except ValidationError:
        report.unknown.append("what a month costs: the prices are encrypted")
        return
    found = list(demands(preview))
    costs = {
        (one.kind, one.name): (_cost(one.before, one, prices, report), _cost(one.after, one, prices, report))
        for one in found
    }
    hourly = {(one.kind, one.name) for one in found if not one.stays}
    for change in report.ray:
        key = (change.kind, change.name)
        if key in costs:
            change.cost_before, change.cost_after = costs[key]
            change.cost_is_hourly = key in hourly
    # The outputs know more clusters than the steps where the preview was not asked to
    # list what stays.
    listed = {one.name for one in found if one.kind == "cluster"}
    is_whole = set(preview.outputs.get("clusters") or {}) <= listed
    staying = [costs[one.kind, one.name] for one in found if one.stays]
    report.cost = MonthlyCost(
        currency=prices.currency,
        before=(_sum(before for before, _ in staying) if is_whole else None) if preview.outputs else None,
        after=_sum(after for _, after in staying) if is_whole else None,
    )
    if not is_whole:
        report.unknown.append("what a month costs: the prices do not stand in the stack's own file")


def _cost(groups: GroupDemands, of: Demand, prices: PriceSettings, report: StackReport) -> Cost | None:
    try:
        if groups is None:
            raise _UnknownPriceError("a setting of it is kept encrypted")
        hours = HOURS_A_MONTH if of.stays else 1
        each = [(group, _hour(group, prices) * hours) for group in groups]
    except _UnknownPriceError as error:
        line = f"what {of.what} costs: {error}"
        if line not in report.unknown:
            report.unknown.append(line)
        return None
    return _sum(
        _as_cost(group.pods * price, group.at_least * price, group.at_most * price) for group, price in each
    )


def _hour(group: MadePods, prices: PriceSettings) -> Decimal:
    """What one pod costs an hour."""
    table = _prices_of(group.pod, prices)
    price = Decimal(0)
    for resource, amount in requests_of(group.pod).items():
        if resource == "cpu":
            price += amount * _exact(table.cpu_hour)
        elif resource == "memory":
            price += amount / 10**9 * _exact(table.gb_hour)
        elif is_device(resource) and amount:
            if resource not in table.device_hour:
                raise _UnknownPriceError(f"prices.deviceHour has none for {resource}")
            price += amount * _exact(table.device_hour[resource])
    return price


def _prices_of(pod: Mapping[str, Any], prices: PriceSettings) -> HourPrices:
    """The table, with what the first entry for the pod's nodes has of its own."""
    selector: Mapping[str, Any] = pod.get("nodeSelector") or {}
    for entry in prices.nodes:
        if entry.labels.items() <= selector.items():
            devices = prices.device_hour | entry.device_hour
            given = entry.model_dump(include={"cpu_hour", "gb_hour"}, exclude_none=True)
            return prices.model_copy(update={**given, "device_hour": devices})
    return prices


def _exact(price: float | None) -> Decimal:
    return Decimal(str(price or 0))


def _as_cost(amount: Decimal, least: Decimal, most: Decimal) -> Cost:
    return Cost(amount=float(amount), least=float(least), most=float(most))


def _sum(costs: Iterable[Cost | None]) -> Cost | None:
    total = Cost(amount=0, least=0, most=0)
    for cost in costs:
        if cost is None:
            return None
        total = Cost(
            amount=total.amount + cost.amount, least=total.least + cost.least, most=total.most + cost.most
        )
    return Cost(amount=round(total.amount, 2), least=round(total.least, 2), most=round(total.most, 2))
