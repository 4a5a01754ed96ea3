"""Kubernetes resource quantities: exact arithmetic on strings such as ``500m``, ``2G``
and ``2Gi``.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

from kuberay.facts.phrases import nearest

_DECIMAL = {"m": Decimal("0.001"), "": Decimal(1)} | {
    s: Decimal(1000) ** n for n, s in enumerate("kMGTPE", start=1)
}
_BINARY = {f"{s}i": Decimal(1024) ** n for n, s in enumerate("KMGTPE", start=1)}
_SUFFIXES = _DECIMAL | _BINARY
_QUANTITY = re.compile(
    r"(?P<number>\d+\.?\d*|\.\d+)(?:[eE](?P<exponent>[+-]?\d{1,2})|(?P<suffix>[A-Za-z]*))", re.ASCII
)
#: What somebody may have meant as one.
_LIKE_A_QUANTITY = re.compile(
    r"\s*(?P<number>(?P<thousands>[1-9]\d{0,2}(?:,\d{3})+)|\d+(?:[.,]\d+)?)\s*(?P<word>[A-Za-z]*)\s*",
    re.ASCII,
)
#: Units as people write them out.
_WORDS = {"core": "", "cpu": "", "vcpu": "", "b": "", "byte": ""} | {
    f"{prefix}byte": suffix
    for prefix, suffix in zip(
        "kilo mega giga tera kibi mebi gibi tebi".split(), "k M G T Ki Mi Gi Ti".split(), strict=True
    )
}


def parse_quantity(quantity: str | int | float) -> Decimal:
    """The exact value of a Kubernetes quantity: cores for CPU, bytes for memory.

    Raises:
        ValueError: not a quantity, with the suffixes Kubernetes knows.
    """
    text = str(quantity)
    match = _QUANTITY.fullmatch(text)
    if match is None or (match["suffix"] or "") not in _SUFFIXES:
        known = ", ".join(suffix for suffix in _SUFFIXES if suffix)
        raise ValueError(
            f"is not a Kubernetes quantity: a number, then one of {known}{_nearest_quantity(text)}"
        )
    factor = Decimal(10) ** int(match["exponent"]) if match["exponent"] else _SUFFIXES[match["suffix"]]
    return Decimal(match["number"]) * factor


def _nearest_quantity(text: str) -> str:
    match = _LIKE_A_QUANTITY.fullmatch(text)
    if match is None:
        return ""
    number = match["number"].replace(",", "" if match["thousands"] else ".")
    word = match["word"].removesuffix("s")
    suffix = _WORDS.get(word.lower(), nearest(word, _SUFFIXES))
    return "" if suffix is None else f"; did you mean '{number}{suffix}'?"


def same_amount(one: object, other: object) -> bool:
    """Whether two quantities are the same, however they are written; what is none is
    the same as its like alone.
    """
    try:
        return parse_quantity(str(one)) == parse_quantity(str(other))
    except ValueError:
        return str(one) == str(other)


def add_quantities(quantities: Iterable[str | int | float]) -> str:
    """The sum, written in the largest unit that keeps it exact.

    ``2G`` + ``2G`` is ``4G`` and ``2Gi`` + ``2Gi`` is ``4Gi``; a mixture is written in
    decimal units, as ``2G`` is not ``2Gi``.
    """
    items = [str(quantity) for quantity in quantities]
    total = sum((parse_quantity(item) for item in items), Decimal(0))
    all_binary = bool(items) and all(item.endswith("i") for item in items)
    units = _BINARY if all_binary else {s: f for s, f in _DECIMAL.items() if f >= 1}
    for suffix, factor in sorted(units.items(), key=lambda unit: unit[1], reverse=True):
        # Up to three decimals read better than a long integer: 1.5G, not 1500M.
        scaled = total / factor
        if 1 <= scaled < 10_000 and scaled == scaled.quantize(Decimal("0.001")):
            return f"{_without_zeros(scaled)}{suffix}"
    return _without_zeros(total)


def canonical_quantity(quantity: str | int | float) -> str:
    """The same amount as Kubernetes' own clients write it: ``500m`` for ``0.5``,
    ``1Gi`` for ``1024Mi``, ``2`` for ``2000m``.
    """
    text = str(quantity)
    value = parse_quantity(text)
    units = _BINARY if text.endswith("i") and value >= 1024 else _DECIMAL
    for suffix, factor in sorted(units.items(), key=lambda unit: unit[1], reverse=True):
        scaled = value / factor
        if scaled and scaled == scaled.to_integral_value():
            return f"{scaled:f}".partition(".")[0] + suffix
    return text


def _without_zeros(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_gb(amount: int) -> str:
    """``0.95 GB``"""
    return f"{float(round(Decimal(amount) / 10**9, 2)):g} GB"


def in_mb(amount: int) -> str:
    """``950 MB``"""
    return f"{amount // 10**6} MB"
