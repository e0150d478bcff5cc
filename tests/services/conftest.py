"""What tests of money share: WeChat Pay's stand-in in process, and a till that shares out."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain_data import FakeClock
from huitou.runtime.database import Database
from localcloud.keys import LocalSecrets
from sharing_till import AtWeChat, Till


@pytest.fixture
def at_wechat(keys: LocalSecrets, clock: FakeClock, tmp_path: Path) -> AtWeChat:
    return AtWeChat(keys, clock, tmp_path)


@pytest.fixture
def till(database: Database, clock: FakeClock, at_wechat: AtWeChat) -> Till:
    made = Till(database, clock, at_wechat)
    made.rules()
    return made
