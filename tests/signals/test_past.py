"""What was allocated, as a Prometheus remembers it: by pool, up to the snapshot, or refused with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.signals.past import read_past
from optimizer.sources.config_yaml import config_from_document
from optimizer.sources.kinds import time_text
from tests.build import document, host, vm
from tests.command_line import run
from tests.prometheus.fake_server import serving, success
from tests.replies import answering
from tests.signals.real_prometheus import backfill, need_prometheus, running

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.sources.history_csv import Past

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY_S, GIB = 86_400, 1024
Series = tuple[dict[str, str], list[tuple[float, str]]]


def asked(result: list[Series], pools: list[str], **section: Any) -> list[Past]:
    body = success([{"metric": labels, "values": values} for labels, values in result], "matrix")
    with serving(answering(body)) as (url, _):
        growth = {"queries": {"memory_mib": "x"}, "pool_label": "rack", **section}
        config = config_from_document({"signals": {"prometheus": {"url": url}}, "growth": growth}, "remora.yaml")
        return read_past(config, ["memory_mib", "disk_mib"], pools, NOW, SystemClock(), {})


def days(*values: str, end: datetime = NOW) -> list[tuple[float, str]]:
    return [(end.timestamp() - DAY_S * (len(values) - 1 - i), value) for i, value in enumerate(values)]


def test_a_past_for_each_pool() -> None:
    found = asked([({"rack": "r1"}, days("1", "NaN", "3")), ({"rack": "r2"}, days("5"))], ["r1", "r2"])
    assert [(one.pool, one.resource, one.amounts) for one in found] == [
        ("r1", "memory_mib", [1.0, 3.0]),
        ("r2", "memory_mib", [5.0]),
    ]
    assert found[0].times[-1] == NOW.timestamp()


def test_a_series_of_nan_alone_is_no_past() -> None:
    assert asked([({}, days("NaN"))], ["all"]) == []


@pytest.mark.parametrize(
    ("result", "pools", "section", "said"),
    [
        ([], ["all"], {}, "no series"),
        ([({"a": "1"}, days("1")), ({"a": "2"}, days("1"))], ["all"], {}, "sum(...)?"),
        ([({"rack": "r9"}, days("1"))], ["r1", "r2"], {}, "rack=r9"),
        ([({}, days("1"))], ["r1", "r2"], {}, "sum by (rack)?"),
        (
            [({"rack": "r1", "n": "1"}, days("1")), ({"rack": "r1", "n": "2"}, days("1"))],
            ["r1", "r2"],
            {},
            "two series",
        ),
        ([({}, days("-1"))], ["all"], {}, "below 0"),
        ([({}, days("+Inf"))], ["all"], {}, "without end"),
        ([({}, days("1", end=datetime(2026, 11, 1, tzinfo=UTC)))], ["all"], {}, "within 3 days of the snapshot"),
        ([], ["all"], {"queries": {}}, "growth.queries"),
        ([], ["all"], {"queries": {"memry_mib": "x"}}, "memory_mib"),
        ([], ["all"], {"days": 3650, "step_s": 300}, "11,000"),
        ([], ["all"], {"pool_label": 'a"}'}, "growth.pool_label"),
        ([], ["all"], {"dayz": 3}, "growth.dayz"),
    ],
)
def test_what_is_wrong_is_named(result: list[Series], pools: list[str], section: Any, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        asked(result, pools, **section)
    assert said in str(refusal.value)


def test_an_error_of_prometheus_is_told() -> None:
    with serving(answering(b"no", 503)) as (url, _):
        sections = {"signals": {"prometheus": {"url": url}}, "growth": {"queries": {"memory_mib": "x"}}}
        config = config_from_document(sections, "remora.yaml")
        with pytest.raises(InputError, match=r"growth\.queries\.memory_mib.*503"):
            read_past(config, ["memory_mib"], ["all"], NOW, SystemClock(), {})


@pytest.mark.slow
def test_a_real_prometheus_that_remembers_sixty_days(tmp_path: Path) -> None:
    need_prometheus()
    now = int(datetime.now(UTC).timestamp()) - 600
    lines = ["# TYPE allocated gauge"]
    for rack, first, by_day in (("r1", 40, 1), ("r2", 40, 0)):
        lines += [
            f'allocated{{rack="{rack}"}} {(first + by_day * d) * GIB} {now - (59 - d) * DAY_S + hour * 3600 - 6 * 3600}'
            for d in range(60)
            for hour in (0, 2, 4, 6)
        ]
    data = backfill(tmp_path, "\n".join([*lines, "# EOF", ""]))
    hosts = [host(f"h{i}", memory=120 * GIB, rack=f"r{i + 1}") for i in range(2)]
    vms = [vm("a", "h0", memory=99 * GIB), vm("b", "h1", memory=40 * GIB)]
    taken = time_text(datetime.fromtimestamp(now, UTC))
    (tmp_path / "fleet.json").write_text(json.dumps(document(hosts, vms, taken_at=taken)))
    with running(tmp_path, data) as url:
        query = "max_over_time(allocated[8h])"
        growth = {"queries": {"memory_mib": query}, "pool_label": "rack", "days": 60, "step_s": DAY_S}
        (tmp_path / "remora.yaml").write_text(json.dumps({"signals": {"prometheus": {"url": url}}, "growth": growth}))
        words = ("--config", tmp_path / "remora.yaml", "--by", "rack", "--full-at", "1", "--json")
        came = run("whatif", "grow", tmp_path / "fleet.json", *words)
    assert came.code == 1, came.err
    found = {pool["pool"]: pool for pool in came.json["pools"]}
    assert (found["r1"]["first"], found["r1"]["resources"][0]["days"]) == ("memory_mib", 21)
    assert found["r2"]["resources"][0]["days"] is None
