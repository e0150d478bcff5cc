"""`scripts/huitou coupons codes`: if a run stops at any byte, the next one completes the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from chain_data import FakeClock
from cli import coupons as command
from huitou.coupons.codes.models import CodesRequest, MakeCodesRequest
from huitou.coupons.codes.service import Codes
from huitou.runtime.database import Database

COUNT = 50


class Desk:
    """An environment that runs the use cases of `coupon-issue`, and fails after `pages` pages."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self._codes = Codes(database, clock, b"k" * 32)
        self.pages = 10**6

    @contextmanager
    def open(self) -> Iterator[Desk]:
        yield self

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        assert function == "coupon-issue"
        action, fields = (
            event["action"],
            json.dumps({k: v for k, v in event.items() if k != "action"}),
        )
        done: BaseModel
        if action == "make_codes":
            done = self._codes.make_batch(MakeCodesRequest.model_validate_json(fields, strict=True))
        else:
            if not self.pages:
                raise click.ClickException("the line is down")
            self.pages -= 1
            done = self._codes.list_codes(CodesRequest.model_validate_json(fields, strict=True))
        return {"ok": True, "data": done.model_dump(mode="json")}

    def write(self, path: Path, batch: str = "spring") -> None:
        """Run the command on this desk."""
        whole = command.codes.callback
        assert whole is not None
        plain = getattr(whole, "__wrapped__", whole)
        plain(
            template="silver-30-8",
            batch=batch,
            count=COUNT,
            path=path,
            actor="ann",
            as_json=True,
            environment=self,
        )


@pytest.fixture
def desk(chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(command, "PAGE", 7)
    return Desk(chain, clock)


@pytest.mark.slow
def test_a_file_cut_at_any_byte_is_completed_to_the_same_file(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "whole.csv"
    desk.write(path)
    whole = path.read_bytes()
    assert whole.count(b"\n") == COUNT + 1
    assert path.stat().st_mode & 0o777 == 0o600
    for cut in [*range(60), len(whole) // 2, len(whole) - 1, len(whole)]:
        broken = tmp_path / f"{cut}.csv"
        broken.write_bytes(whole[:cut])
        desk.write(broken)
        assert broken.read_bytes() == whole, cut


def test_a_run_that_fails_keeps_its_lines_and_the_next_one_continues(
    desk: Desk, tmp_path: Path
) -> None:
    path, desk.pages = tmp_path / "c.csv", 3
    with pytest.raises(click.ClickException):
        desk.write(path)
    assert path.read_bytes().count(b"\n") == 1 + 3 * 7
    desk.pages = 100
    desk.write(path)
    numbers = [line.split(",")[0] for line in path.read_text().splitlines()[1:]]
    assert numbers == [str(n) for n in range(COUNT)]


def test_a_file_with_other_content_is_not_changed(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("order,amount\n1,2\n")
    with pytest.raises(click.ClickException):
        desk.write(path)
    assert path.read_text() == "order,amount\n1,2\n"
