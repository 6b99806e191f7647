"""Amounts with units: exact, demand up, capacity down."""

from __future__ import annotations

import pytest

from optimizer.sources.units import UnitError, parse_amount


@pytest.mark.parametrize(
    ("text", "resource", "down", "up"),
    [
        ("64GiB", "memory_mib", 65536, 65536),
        ("64 gib", "memory_mib", 65536, 65536),
        ("2TB", "disk_mib", 1907348, 1907349),  # 2 * 10**12 / 2**20 = 1907348.63
        ("1MB", "disk_mib", 0, 1),
        ("1048577B", "disk_mib", 1, 2),
        ("0.5", "memory_mib", 0, 1),
        (".5GiB", "memory_mib", 512, 512),
        ("4096", "memory_mib", 4096, 4096),
        ("16cores", "cpu_millicores", 16000, 16000),
        ("0.5 cores", "cpu_millicores", 500, 500),
        ("0.0001 vCPU", "cpu_millicores", 0, 1),
        ("250m", "cpu_load_millicores", 250, 250),
        ("1500m", "cpu_cores", 1, 2),
        ("3", "gpus", 3, 3),
        ("0.1TiB", "disk_gib", 102, 103),
        ("99999999999999999999PiB", "disk_mib", 99999999999999999999 * 2**30, 99999999999999999999 * 2**30),
    ],
)
def test_amounts(text: str, resource: str, down: int, up: int) -> None:
    assert parse_amount(text, resource, up=False) == down
    assert parse_amount(text, resource, up=True) == up


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("64Gb", "memory_mib"),  # bits?
        ("64G", "memory_mib"),  # 1000 or 1024?
        ("16M", "cpu_millicores"),
        ("16GHz", "cpu_millicores"),
        ("4GiB", "cpu_millicores"),
        ("4cores", "memory_mib"),
        ("3 pieces", "gpus"),
        ("-1GiB", "memory_mib"),
        ("1e3", "memory_mib"),
        ("1_000", "memory_mib"),
        ("1,000", "memory_mib"),
        ("NaN", "memory_mib"),
        ("inf", "memory_mib"),
        ("GiB", "memory_mib"),
        (".", "memory_mib"),
        ("٣", "memory_mib"),
        ("9" * 5000, "memory_mib"),
    ],
)
def test_what_is_unclear_is_refused(text: str, resource: str) -> None:
    with pytest.raises(UnitError, match="amount"):
        parse_amount(text, resource, up=True)


def test_a_columns_unit_serves_cells_without_one() -> None:
    assert parse_amount("64", "memory_mib", up=True, unit="GiB") == 65536
    assert parse_amount("64MiB", "memory_mib", up=True, unit="GiB") == 64
