"""`bench sweep`: a day's campaign in a small and in a large chain, and against plain writes."""

from __future__ import annotations

import secrets
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from cli.bench import insert_quickly, json_option, report, scratch_mongod, setting_up
from cli.bench.crowd import AT_ONCE, FIRST_DAY, CrowdClock
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import watching
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.marketing.campaigns.models import Campaign, CampaignStepRequest, PutCampaignRequest
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.runs.day_service import PAGE
from huitou.marketing.runs.planning_service import Planning
from huitou.marketing.runs.service import CampaignRuns
from huitou.members.profiles.rules import member_id_from
from huitou.runtime.database import Database, Document, connect
from huitou.runtime.declarations import declare

ROUNDS = 3  # Measured days; one more day warms up.
AWAY_DAYS = 3
_CAMPAIGN = {
    "_id": "day-3", "name": "三天没见", "trigger": {"kind": "absent", "days": AWAY_DAYS},
    "valid_from": "2026-01-01", "valid_until": "2026-12-31", "holdout_bp": 1_000,
    "variants": [{"gift": {"kind": "coupon", "template_id": "back"},
                  "message": {"title": "三天没见", "body": "送您{gift}，{until}前可用"}}],
}  # fmt: skip


@click.command()
@click.option("--members", default=1_000_000, show_default=True, help="In the large chain.")
@click.option("--small-members", default=100_000, show_default=True, help="In the small chain.")
@click.option("--due", default=10_000, show_default=True, help="Members a day who get it.")
@profile_option
@json_option
def sweep(
    members: int, small_members: int, due: int, profile: Profile | None, as_json: bool
) -> None:
    """Send the day-3 campaign to 10,000 of 100,000 and of 1,000,000 members.

    `ratio` is the large chain's time against the small one's (aim: at most 1.3); `floor_ratio` ours
    against reading the same index and writing the same documents, coupons included, by plain
    pymongo in batches of the same size (aim: at most 2). All members have features, which the sweep
    searches; only members who are due have other data. Making a million takes a minute or two.
    """
    if not 0 < due * (ROUNDS + 1) <= small_members < members:
        raise click.UsageError(f"--members > --small-members >= {ROUNDS + 1} x --due > 0")
    with scratch_mongod() as mongod:
        chains = [Chain(mongod.uri, count, due) for count in (small_members, members)]
        floor = connect(mongod.uri, "floor")
        declare(floor)
        seconds: list[list[float]] = [[], []]
        floors: list[float] = []
        for number in range(ROUNDS + 1):
            for chain, times in zip(chains, seconds, strict=True):
                last = number == ROUNDS and chain is chains[1]
                taken = chain.send(number, profile if last else None)
                if number:
                    times.append(taken)
            taken = _by_hand(chains[1], floor, number)
            if number:
                floors.append(taken)
        for database in (floor, *(chain.database for chain in chains)):
            database.client.close()
    small, large = (statistics.median(times) for times in seconds)
    report(
        {
            "small_members": small_members,
            "members": members,
            "due": due,
            "small_s": round(small, 3),
            "s": round(large, 3),
            "per_s": round(due / large),
            "ratio": round(statistics.median(b / a for a, b in zip(*seconds, strict=True)), 2),
            "floor_s": round(statistics.median(floors), 3),
            "floor_ratio": round(
                statistics.median(
                    ours / floor for ours, floor in zip(seconds[1], floors, strict=True)
                ),
                2,
            ),
        },
        profile,
        as_json=as_json,
    )


class Chain:
    """A chain whose members last ordered three days before a measured day, or long ago."""

    def __init__(self, uri: str, members: int, due: int) -> None:
        self.database = connect(uri, f"chain_{members}")
        self.due = due
        self._clock = CrowdClock()
        declare(self.database)
        self._make(members)
        Coupons(self.database, self._clock).put_templates(
            [
                CouponTemplate.model_validate(
                    {"_id": "back", "name": "满30减8", "terms": {"off_fen": 800}, "valid_days": 7},
                )
            ],
            [],
        )
        campaigns = Campaigns(self.database, self._clock)
        campaigns.put_campaign(
            PutCampaignRequest(campaign=Campaign.model_validate(_CAMPAIGN), actor="x")
        )
        step = CampaignStepRequest(campaign_id="day-3", actor="x")
        self._clock.day = FIRST_DAY - timedelta(days=1)
        campaigns.check_campaign(step)
        campaigns.start_campaign(step)

    def _make(self, members: int) -> None:
        starts = range(0, members, AT_ONCE)
        for start in track(starts, f"{members:,} members", console=Console(stderr=True)):
            found = [self._member(number) for number in range(start, min(start + AT_ONCE, members))]
            for name in ("features", "members", "accounts", "consents"):
                documents = [of_one[name] for of_one in found if name in of_one]
                if documents:
                    insert_quickly(self.database, name, documents)

    def _member(self, number: int) -> dict[str, Document]:
        member_id = member_id_from(secrets.token_bytes(15))  # Spread as real ones are.
        turn, is_due = number % (ROUNDS + 1), number < self.due * (ROUNDS + 1)
        last = FIRST_DAY + timedelta(days=turn - AWAY_DAYS if is_due else -30 - number % 300)
        at = datetime(last.year, last.month, last.day, 4, tzinfo=UTC)
        visit = {
            "at": at,
            "day": last.isoformat(),
            "hour": 12,
            "store_id": "s1",
            "fen": 3_000,
            "categories": {"tea": 1},
        }
        found: dict[str, Document] = {
            "features": {
                "_id": member_id,
                "schema": 1,
                "orders": 1,
                "spend_fen": 3_000,
                "visits": {"o1": visit},
                "first_order_id": "o1",
                "first_order_at": at,
                "last_order_at": at,
                "last_order_day": last.isoformat(),
                "usual_store_id": "s1",
                "usual_hour": 12,
                "tags": [],
                "sources": [],
            }
        }
        if is_due:
            found |= {
                "members": {
                    "_id": member_id,
                    "schema": 1,
                    "brand_id": "b",
                    "registered_at": at,
                    "registered_day": last.isoformat(),
                    "merges": 0,
                    "registered_channel": "mini_program",
                },
                "accounts": {
                    "_id": member_id,
                    "schema": 1,
                    "available": 30,
                    "reserved": 0,
                    "version": 1,
                    "tier": {"level": "basic"},
                },
                "consents": {
                    "_id": f"{member_id}:marketing:1",
                    "schema": 1,
                    "given": True,
                    "member_id": member_id,
                    "purpose": "marketing",
                    "n": 1,
                    "text_version": "1",
                    "at": at,
                },
            }
        return found

    def send(self, number: int, profile: Profile | None = None) -> float:
        """Send the campaign of a measured day; returns the seconds it took."""
        self._clock.day = FIRST_DAY + timedelta(days=number)
        runs = CampaignRuns(self.database, self._clock)
        started = time.perf_counter()
        with watching(profile, "member", self.due):
            running = Campaigns(self.database, self._clock).running_campaigns()
            Planning(self.database, self._clock).plan_runs(running)
            counts, _ = runs.work_on_campaigns(lambda: True)
        taken = time.perf_counter() - started
        if counts["a"] + counts["holdout"] != self.due:
            raise SystemExit(f"{dict(counts)}: not {self.due} were told on {self._clock.day}")
        return taken

    def written(self, number: int) -> tuple[list[Document], list[Document]]:
        """Return the deliveries and coupons of a measured day."""
        day = (FIRST_DAY + timedelta(days=number)).isoformat()
        with setting_up():
            exposures = list(self.database.mongo["exposures"].find({"campaign_id": "day-3"}))
            exposures = [row for row in exposures if row["day"] == day]
            told = {row["member_id"] for row in exposures}
            coupons = list(self.database.mongo["coupons"].find({"member_id": {"$in": list(told)}}))
        return exposures, coupons


def _by_hand(chain: Chain, floor: Database, number: int) -> float:
    """Read the day's members from the index, and write the documents that the campaign wrote."""
    exposures, coupons = chain.written(number)
    by_id = {row["member_id"]: row for row in exposures}
    of_member = {coupon["member_id"]: coupon for coupon in coupons}
    last = (FIRST_DAY + timedelta(days=number - AWAY_DAYS)).isoformat()
    features = chain.database.collection("features")
    started, after = time.perf_counter(), ""
    while True:
        where: dict[str, Any] = {"last_order_day": last, "_id": {"$gt": after}}
        page = [
            row["_id"]
            for row in features.find(where, {"_id": 1})
            .sort("_id", 1)
            .limit(PAGE)
            .batch_size(PAGE + 1)
        ]
        if page:
            floor.collection("exposures").insert_many([by_id[m] for m in page], ordered=False)
            given = [of_member[member] for member in page if member in of_member]
            floor.collection("coupons").insert_many(given, ordered=False)
        if len(page) < PAGE:
            return time.perf_counter() - started
        after = page[-1]
