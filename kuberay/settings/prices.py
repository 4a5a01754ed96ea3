"""Settings of prices: what an hour of a processor, of memory and of a device costs, by
which a report tells what a change costs.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from kuberay.settings.base import Settings

#: Of one hour, in the currency of the table.
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    if not labels:
        raise ValueError(
            "names no label, such as pool: spot; prices of all other nodes stand in the table above"
        )
    return labels


class HourPrices(Settings):
    """What an hour costs."""

    cpu_hour: Price | None = None
    """One CPU for an hour; nothing where not set."""
    gb_hour: Price | None = None
    """1,000,000,000 bytes of memory for an hour; nothing where not set."""
    device_hour: dict[str, Price] = {}
    """One device for an hour, by the resource's name: `{nvidia.com/gpu: 0.6}`. A device
    without a price leaves the cost unknown.
    """


class NodePrices(HourPrices):
    """Prices of nodes with certain labels. What is not set here is as in the table
    above.
    """

    labels: Annotated[dict[str, str], AfterValidator(_check_labels)]
    """Labels of these nodes. The prices count for pods whose `nodeSelector` has all of
    them.
    """


class PriceSettings(HourPrices):
    """Prices, by which `make preview` tells what a month costs before and after a
    change. Nothing else reads them.
    """

    currency: Annotated[str, Field(max_length=16)] = ""
    """What stands beside the amounts: `EUR`."""
    nodes: list[NodePrices] = []
    """Other prices by node label; the first entry that matches a pod counts."""
