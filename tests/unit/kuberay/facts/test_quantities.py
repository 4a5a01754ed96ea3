"""Sums of Kubernetes quantities are exact and read well."""

from decimal import Decimal

import pytest

from kuberay.facts.quantities import add_quantities, canonical_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("2G", "2000000000"),
        ("2Gi", "2147483648"),
        ("1.5Gi", "1610612736"),
        (".5", "0.5"),
        ("3k", "3000"),
    ],
)
def test_a_quantity_is_its_exact_value(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "G", "2GB", "2 G", "-1", "1e3x", "2gi"])
def test_what_kubernetes_would_not_take_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("items", "total"),
    [
        (["2G", "2G"], "4G"),
        (["2Gi", "2Gi"], "4Gi"),
        (["500M", "1G"], "1.5G"),
        (["512Mi", "512Mi"], "1Gi"),
        (["500m", "1"], "1.5"),
        (["2G", "2Gi"], "4147483648"),
        (["100m"], "0.1"),
        ([], "0"),
    ],
)
def test_a_sum_keeps_its_value_and_its_kind_of_unit(items: list[str], total: str) -> None:
    assert add_quantities(items) == total
    assert parse_quantity(total) == sum(parse_quantity(item) for item in items)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1", "1"),
        (1, "1"),
        ("0.5", "500m"),
        ("2000m", "2"),
        ("1.5", "1500m"),
        ("2G", "2G"),
        ("2000M", "2G"),
        ("2500M", "2500M"),
        ("2.5G", "2500M"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("512Ki", "512Ki"),
        ("0", "0"),
        ("1000", "1k"),
    ],
)
def test_an_amount_is_written_as_kubernetes_clients_write_it(written: str | int, canonical: str) -> None:
    assert canonical_quantity(written) == canonical
    assert parse_quantity(canonical) == parse_quantity(written)
