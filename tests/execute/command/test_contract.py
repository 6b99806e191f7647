"""Every template that Remora brings along keeps to the contract of drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.execute.drivers.command import open_command
from tests.execute.command.stand_in import TEMPLATES, settings_of
from tests.execute.driver_contract import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.execute.drivers import Driver
    from optimizer.fleet import Fleet


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES[1:])  # the first is tried with all drivers
@pytest.mark.parametrize("check", CHECKS)
def test_every_template_keeps_to_the_contract(
    template: str, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def open_(fleet: Fleet) -> Driver:
        return open_command(fleet, settings_of(template, fleet, monkeypatch, tmp_path))

    check(open_)
