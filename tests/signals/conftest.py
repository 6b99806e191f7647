from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.signals.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")
    from tests.signals.rig import Rig

    return Rig(tmp_path)
