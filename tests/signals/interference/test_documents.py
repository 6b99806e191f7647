"""Series as documents: JSON and CSV say the same, and what is wrong is named."""

from __future__ import annotations

import copy
import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optimizer.errors import InputError
from optimizer.signals.interference.documents import (
    observation_from_csv,
    observation_from_document,
    records_document,
    records_from_document,
    series_document,
)
from optimizer.signals.interference.series import HostSeries
from optimizer.sources.kinds import time_text
from tests.signals.interference.series import END, hog, observation
from tests.signals.interference.test_feed import record

if TYPE_CHECKING:
    from optimizer.signals.interference import Observation


def sample() -> Observation:
    series = hog(1)
    series.use[3, 2], series.stall[5:9, 1] = np.nan, np.nan
    return observation(series, HostSeries("h1", "io", ("w0",), series.stall[:, :1], series.use[:, :1]))


def as_csv(given: Observation) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["time", "host", "vm", "kind", "stall", "use"])
    for series in given.hosts:
        for t in range(len(series.stall)):
            at = time_text(given.ends_at - timedelta(seconds=(len(series.stall) - 1 - t) * given.interval_s))
            if series.total is not None:
                writer.writerow([at, series.host, "", series.kind, "", series.total[t]])
            for k, vm in enumerate(series.vms):
                cells = ["" if np.isnan(x) else x for x in (series.stall[t, k], series.use[t, k])]
                writer.writerow([at, series.host, vm, series.kind, *cells])
    return out.getvalue()


def same(one: Observation, other: Observation) -> None:
    assert (one.ends_at, one.interval_s) == (other.ends_at, other.interval_s)
    assert len(one.hosts) == len(other.hosts)
    for a, b in zip(one.hosts, other.hosts, strict=True):
        assert (a.host, a.kind, a.vms) == (b.host, b.kind, b.vms)
        np.testing.assert_allclose(a.stall, b.stall, atol=1e-6)
        np.testing.assert_allclose(a.use, b.use, atol=1e-6)
        if a.total is not None and b.total is not None:
            np.testing.assert_allclose(a.total, b.total, atol=1e-6)


def test_json_and_csv_say_the_same() -> None:
    given = sample()
    same(observation_from_document(series_document(given), "test"), given)
    same(observation_from_csv(as_csv(given), "test"), given)


def test_a_time_without_any_row_is_a_gap() -> None:
    rows = as_csv(observation(hog(1))).splitlines()
    at = rows[500].split(",")[0]
    read = observation_from_csv("\n".join(r for r in rows if not r.startswith(at)), "test")
    assert len(read.hosts[0].stall) == 150
    assert np.isnan(read.hosts[0].stall).all(axis=1).sum() == 1


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    document: Any = copy.deepcopy(series_document(sample()))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return dict(document)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["format"], "remora-fleet/1", "another kind of document"),
        (["ends_at"], "soon", "ends_at"),
        (["interval_s"], 0, "interval_s"),
        (["hosts", 0, "kind"], "cpus", "hosts[0].kind"),
        (["hosts", 0, "vms", 1, "stall", 4], 1.5, "hosts[0].vms[1].stall[4]"),
        (["hosts", 0, "vms", 1, "use", 4], -1, "hosts[0].vms[1].use[4]"),
        (["hosts", 0, "vms", 1, "use"], [1.0], "1 samples"),
        (["hosts", 0, "total"], [], "0 samples"),
        (["hosts", 0, "vms", 1, "id"], "v0", "each VM of a host once"),
        (["hosts", 0, "vms", 1, "usage"], [1.0], "hosts[0].vms[1].usage"),
        (["hosts", 1], {"id": "h0", "kind": "cpu", "vms": []}, "each host once for each kind"),
    ],
)
def test_what_is_wrong_in_json_is_named(path: list[Any], value: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        observation_from_document(changed(path, value), "series.json")
    assert said in str(raised.value)
    assert str(raised.value).startswith("series.json: ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("time,host", "when,host", "time is missing"),
        ("time,host,vm,kind,stall,use", "time,host,vm,kind,stall", "use is missing"),
        (",cpu,", ",cpus,", "line 2, kind"),
        ("h0,v0,cpu,0.", "h0,v0,cpu,7.", "stall"),
        ("h0,v0,cpu,0.", "h0,v0,cpu,x", "stall"),
        ("h0,v0,cpu,0.", ",v0,cpu,0.", "host"),
        (time_text(END), "now", "a time with an offset"),
        ("h0,v1,cpu", "h0,v0,cpu", "one row for v0"),
    ],
)
def test_what_is_wrong_in_csv_is_named(old: str, new: str, said: str) -> None:
    text = as_csv(observation(hog(1)))
    assert old in text
    with pytest.raises(InputError) as raised:
        observation_from_csv(text.replace(old, new), "series.csv")
    assert said in str(raised.value)


def test_times_of_two_clocks_are_refused() -> None:
    text = as_csv(observation(hog(1))) + f"{time_text(END + timedelta(seconds=21))},h0,v0,cpu,0.1,1\n"
    with pytest.raises(InputError, match="two clocks"):
        observation_from_csv(text, "series.csv")
    with pytest.raises(InputError, match="at least two times"):
        observation_from_csv("time,host,vm,kind,stall,use\n", "series.csv")


def test_records_come_back() -> None:
    records = (record("v0", "v1"), record("v0", "v2"))
    assert records_from_document(records_document(records, END), "test") == records
    for wrong, said in [({"format": "remora-interference/1"}, "pairs"), ({"format": "x"}, "format")]:
        with pytest.raises(InputError, match=said):
            records_from_document(wrong, "test")
    broken = records_document(records, END)
    broken["pairs"][1]["state"] = "gone"
    with pytest.raises(InputError, match=r"pairs\[1\]"):
        records_from_document(broken, "test")
