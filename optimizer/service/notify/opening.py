"""Opens the receivers of a configuration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from optimizer.service.notify.config import NotifyPart, address_of
from optimizer.service.notify.notices import Alerts, Webhooks
from optimizer.service.notify.receiver import Receiver
from optimizer.service.notify.remembered import FILE, Remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from random import Random

    from optimizer.clock import Clock
    from optimizer.service.events import Everybody
    from optimizer.sources.config_yaml import Config

__all__ = ["notifying"]

LAST_S = 5.0
"""How long what is still to be sent is waited for in the end."""

ALERTS = "/api/v2/alerts"


@contextmanager
def notifying(
    config: Config,
    told: Everybody,
    clock: Clock,
    rng: Random,
    environ: Mapping[str, str],
    state: Path,
    holds_s: float,
    run_s: float,
) -> Iterator[None]:
    """Tell the receivers of section `notify` what happens meanwhile.

    Parameters
    ----------
    state
        The directory in which is kept what webhooks were told.
    holds_s, run_s
        How long an alert holds that is not sent again, and how much longer while a plan is carried out.

    Raises
    ------
    InputError
        An address or a secret is not where the section says.
    """
    part = config.section("notify", NotifyPart)
    webhooks: Webhooks | None = None
    opened: dict[str, list[tuple[Receiver, frozenset[str]]]] = {"webhook": [], "alertmanager": []}
    asked = [
        ("webhook", "notify.webhooks", part.webhooks, ""),
        ("alertmanager", "notify.alertmanagers", part.alertmanagers, ALERTS),
    ]
    addresses = [
        (kind, path, one, address_of(config, f"{where}[{i}]", one, environ))
        for kind, where, ones, path in asked
        for i, one in enumerate(ones)
    ]
    for kind, path, one, address in addresses:
        opened[kind].append((Receiver(kind, address, path, told, rng), frozenset(one.of)))
    if opened["webhook"]:
        webhooks = Webhooks(opened["webhook"], clock, Remembered(state / FILE), told)
        told.add(webhooks)
    if opened["alertmanager"]:
        told.add(Alerts(opened["alertmanager"], clock, holds_s, run_s))
    try:
        yield
    finally:
        for receiver, _ in (*opened["webhook"], *opened["alertmanager"]):
            receiver.close(LAST_S)
        if webhooks is not None:
            webhooks.save()
