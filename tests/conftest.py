"""What all tests share: how hypothesis searches, and where the data outside the project is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# the same examples on every machine and every run, however slow it is
settings.register_profile(
    "remora",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("remora")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of fleets and ROADEF instances: REMORA_DATA, or ../shared/data beside the project.

    Tests that want it are skipped where it is missing, but not silently in CI: where ``../shared`` is there, it is
    read, or the test fails.
    """
    path = Path(os.environ.get("REMORA_DATA") or ROOT.parent / "shared" / "data")
    if path.is_dir():
        return path
    if os.environ.get("CI") == "true" and (ROOT.parent / "shared").exists():
        pytest.fail(f"CI has ../shared, and yet {path} is not there: set REMORA_DATA to where the data is")
    pytest.skip(f"no data at {path}: set REMORA_DATA to read it from elsewhere")
