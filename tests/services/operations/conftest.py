"""What the tests of importing share."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain_data import FakeClock
from huitou.runtime.database import Database
from till_files import Till


@pytest.fixture
def till(
    chain: Database, clock: FakeClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Till:
    return Till(chain, clock, tmp_path, capsys)
