"""What `remora signals check` prints: signal by signal, then the hosts and VMs that are closed, then what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.signals.report import SignalLine, SignalsReport

__all__ = ["signals_page"]

SHOWN = 10
"""That many hosts, and that many VMs, are named where many are closed."""


def signals_page(report: SignalsReport, fleet: str, hosts: Sequence[str] = ()) -> Page:
    """Return the page; `hosts` are shown signal by signal."""
    page = Page()
    page.heading(f"Signals of {fleet}: {count(report.host_count, 'host')}, {count(report.vm_count, 'VM')}")
    table = Table(("signal", ">there", ">of", "", ">oldest s", ">least", ">median", ">most", "?exporter"))
    for line in report.signals:
        _row(table, line)
    page.table(table, empty="no signal is asked for")
    _silent(page, report.silent, led=report.leads_to_hosts)
    for line in report.signals:
        _missing(page, line)
    for host in hosts:
        _host(page, host, report.details[host])
    heard = {host: whys for host, whys in report.hosts.items() if host not in report.silent}
    for what, closed in (("host", heard), ("VM", report.vms)):
        _closed(page, what, closed)
    for note in report.notes:
        page.line(note, Tone.WARN)
    if report.clean:
        page.line("Every host and VM has every signal that is needed.", Tone.GOOD)
    return page


def _row(table: Table, line: SignalLine) -> None:
    whole = line.there == line.expected
    tone = Tone.PLAIN if whole else (Tone.BAD if line.needed else Tone.QUIET)
    numbers = (_number(value) for value in (line.low, line.middle, line.high))
    age = "-" if line.oldest_s is None else f"{line.oldest_s:.0f}"
    table.add(line.name, f"{line.there:,}", f"{line.expected:,}", line.of, age, *numbers, line.exporter, tone=tone)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _silent(page: Page, silent: Mapping[str, str], *, led: bool) -> None:
    """Name the hosts of which nothing is heard, by the reason: each signal of theirs would say the same.

    `led`: whether what series there are lead to hosts; otherwise it is not the exporters that are silent.
    """
    by_reason: dict[str, list[str]] = {}
    for host, why in silent.items():
        by_reason.setdefault(why, []).append(host)
    if silent:
        page.heading(f"{count(len(silent), 'host')} without any signal that is needed: not observed")
    for why, hosts in by_reason.items():
        more = f" and {len(hosts) - SHOWN:,} more" if len(hosts) > SHOWN else ""
        page.line(f"  {', '.join(hosts[:SHOWN])}{more}: {why}", Tone.BAD)
    if silent and led:
        page.line("  what to do: see that their exporters run, and that Prometheus scrapes them (its page Targets)")
    elif silent:
        page.line("  what to do: series are there, and lead to no host of the inventory: set signals.hosts (see below)")


def _missing(page: Page, line: SignalLine) -> None:
    """Say of a signal that is not whole why, by which query, and what to do."""
    if line.quiet:
        page.line(f"{line.name}: counted as 0 on {count(line.quiet, 'host')} whose resource is not busy", Tone.QUIET)
    if not line.missing or not (line.needed or line.failed):
        return
    lost = sum(number for _, number, _ in line.missing)
    page.heading(f"{line.name}: missing for {lost:,} of {line.expected:,} {line.of}")
    for why, number, one in line.missing:
        page.line(
            f"  {why} ({one}{f' and {number - 1:,} more' if number > 1 else ''})",
            Tone.BAD if line.needed else Tone.QUIET,
        )
    page.line(f"  query: {line.query}")
    page.line(f"  series: {line.series}, times {line.scale:.6g}")
    if line.advice:
        page.line(f"  what to do: {line.advice}")
    page.line(f"  or leave it out: signals.without: [{line.name}]")


def _host(page: Page, host: str, signals: Mapping[str, Mapping[str, object]]) -> None:
    page.heading(f"{host}")
    table = Table(("signal", ">value", ">age s", "~"))
    for name, said in sorted(signals.items()):
        value = said.get("value")
        shown = (
            _number(value)
            if isinstance(value, float)
            else f"{said['there']} of {said['vms']} VMs"
            if "vms" in said
            else "-"
        )
        age = said.get("age_s")
        tone = Tone.BAD if "problem" in said else Tone.PLAIN
        table.add(name, shown, "-" if age is None else f"{age:.0f}", str(said.get("problem", "")), tone=tone)
    page.table(table, empty="no signal")


def _closed(page: Page, what: str, closed: Mapping[str, Sequence[str]]) -> None:
    if not closed:
        return
    one = len(closed) == 1
    effect = (
        ("neither gives nor takes" if one else "neither give nor take")
        if what == "host"
        else "stays"
        if one
        else "stay"
    )
    page.heading(f"{count(len(closed), what)} not observed: {'it' if one else 'they'} {effect}")
    for name, whys in list(closed.items())[:SHOWN]:
        more = f"; and {len(whys) - 1} more" if len(whys) > 1 else ""
        page.line(f"  {name}: {whys[0]}{more}", Tone.BAD)
    if len(closed) > SHOWN:
        page.line(f"  and {len(closed) - SHOWN:,} more: --json names them all")
