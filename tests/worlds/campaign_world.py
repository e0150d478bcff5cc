"""A chain with guests and campaigns in a test database; the test sets the clock."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from chain_data import FakeClock, Shop, item
from huitou.integrations.weather import Forecast
from huitou.marketing.campaigns.models import (
    AcceptRequest,
    Campaign,
    CampaignStepRequest,
    PutCampaignRequest,
)
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.measurement.service import Effects
from huitou.marketing.runs.models import ByHandRequest
from huitou.marketing.runs.service import CampaignRuns
from huitou.marketing.runs.tick_service import Tick
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.runtime.database import Database

ZONE = ZoneInfo("Asia/Shanghai")
DAY_3: dict[str, Any] = {
    "_id": "day-3", "name": "三天没见", "trigger": {"kind": "absent", "days": 3},
    "valid_from": "2026-03-01", "valid_until": "2027-12-31", "holdout_bp": 0,
    "variants": [{
        "gift": {"kind": "coupon", "template_id": "silver-30-8"},
        "message": {"title": "三天没见", "body": "送您{gift}，{until}前可用"},
    }],
}  # fmt: skip

LATE = {"title": "补祝生日快乐", "body": "生日已过，礼物还在：{gift}"}
GIFT = {"kind": "coupon", "template_id": "silver-30-8"}
MEMBER_DAY: dict[str, Any] = {
    "_id": "member-day", "trigger": {"kind": "daily", "month_days": [10]},
    "audience": {"feature": "orders", "at_least": 1},
}  # fmt: skip


def campaign(**changes: Any) -> Campaign:
    """Return the day-3 campaign, which has no hold-out, with these changes."""
    return Campaign.model_validate(DAY_3 | changes)


class Postman:
    """Takes pushed messages as WeChat does. It answers each of `errors` once, then 0."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, dict[str, str]]]] = []
        self.errors: list[int] = []

    def send_message(
        self, openid: str, template_id: str, page: str, data: dict[str, dict[str, str]]
    ) -> int:
        del page
        error = self.errors.pop(0) if self.errors else 0
        if not error:
            self.sent.append((openid, template_id, data))
        return error


class CampaignWorld:
    """Lets guests order and campaigns run, at the times that a test sets."""

    def __init__(self, chain: Database, clock: FakeClock) -> None:
        self.database, self.clock, self.shop = chain, clock, Shop(chain, clock)
        self.campaigns = Campaigns(chain, clock)
        self.consents = Consents(chain, clock)
        self.postman = Postman()
        self.weather: list[Forecast] = []
        self.started: list[dict[str, Any]] = []
        self.tick_service = Tick(
            chain,
            clock,
            post=self.postman,
            openid=lambda m: f"openid-of-{m}",
            forecast=self._forecast,
            start=self.started.append,
        )
        self.at("2026-03-02 12:00")

    def _forecast(self, lat: float, lng: float) -> list[Forecast]:
        del lat, lng
        return self.weather

    def at(self, wall_clock: str) -> None:
        """Set the clock to a time in the chain's zone."""
        self.clock.moment = datetime.fromisoformat(wall_clock).replace(tzinfo=ZONE)

    def tick(self, wall_clock: str | None = None) -> dict[str, Any]:
        """Fire the timer, now or at the given time."""
        if wall_clock is not None:
            self.at(wall_clock)
        return self.tick_service.run_tick(60)

    def tick_through(self, until: str, every: timedelta = timedelta(hours=1)) -> None:
        """Fire the timer repeatedly until the given time."""
        end = datetime.fromisoformat(until).replace(tzinfo=ZONE)
        while self.clock.moment < end:
            self.clock.moment = min(self.clock.moment + every, end)
            self.tick()

    def guest(self, name: str, *, consents: bool = True, birthday: str | None = None) -> str:
        """Register a guest, who consents to marketing unless told otherwise."""
        member_id = self.shop.register(name)
        if consents:
            self.consent(member_id, given=True)
        if birthday is not None:
            update = UpdateProfileRequest.model_validate_json(f'{{"birthday": "{birthday}"}}')
            self.shop.members.update_profile(member_id, update)
        return member_id

    def consent(self, member_id: str, *, given: bool, purpose: Any = "marketing") -> None:
        request = ConsentRequest(purpose=purpose, given=given, text_version="1")
        self.consents.record_consent(member_id, request)

    def orders(self, member_id: str, wall_clock: str, **cart: Any) -> str:
        """Have a guest order and pay at a time, then set the clock back; returns the order's id."""
        now = self.clock.moment
        self.at(wall_clock)
        order = self.shop.paid(member_id, **({"items": [item()]} | cart))
        self.clock.moment = now
        return order.id

    def run(self, content: Campaign) -> None:
        """Store, check and start a campaign; its warnings are accepted."""
        self.campaigns.put_campaign(
            PutCampaignRequest(campaign=content, actor="小王", reason="更新")
        )
        step = CampaignStepRequest(campaign_id=content.id, actor="小王")
        for rule in self.campaigns.check_campaign(step)["to_accept"]:
            self.accept(content.id, rule)
        checked = self.campaigns.check_campaign(step)
        assert checked["status"] == "checked", checked
        self.campaigns.start_campaign(step)

    def accept(self, campaign_id: str, rule: str) -> None:
        self.campaigns.accept_warning(
            AcceptRequest(campaign_id=campaign_id, rule=rule, actor="老板")
        )

    def stop(self, campaign_id: str, how: Literal["pause", "end"] = "pause") -> None:
        step = CampaignStepRequest(campaign_id=campaign_id, actor="小王")
        if how == "end":
            self.campaigns.end_campaign(step)
        else:
            self.campaigns.pause_campaign(step)

    def messages(self, campaign_id: str | None = None) -> list[tuple[str, str, str]]:
        """Return the messages of a campaign, or of all: member, occasion and time, in order."""
        where = {"campaign_id": campaign_id} if campaign_id else {"_id": {"$gt": ""}}
        found = self.database.collection("exposures").find(where).sort([("at", 1), ("_id", 1)])
        return [
            (row["member_id"], row["occasion"], row["at"].astimezone(ZONE).strftime("%m-%d %H:%M"))
            for row in found
        ]

    def exposures(self, **where: Any) -> list[dict[str, Any]]:
        return [
            row
            for row in self.database.collection("exposures").find({"_id": {"$gt": ""}})
            if all(row.get(name) == value for name, value in where.items())
        ]

    def coupons(self, member_id: str) -> Counter[str]:
        """Count the member's coupons by template."""
        found = self.database.collection("coupons").find({"member_id": member_id})
        return Counter(row["template_id"] for row in found)


def birthday(late: bool = True, **changes: Any) -> Campaign:
    """Return a birthday campaign, with or without a message for late sending."""
    message = {"title": "生日快乐", "body": "送您{gift}"} | ({"late": LATE} if late else {})
    return campaign(
        **{
            "_id": "birthday",
            "trigger": {"kind": "birthday", "days": 0},
            "priority": 90,
            "variants": [{"gift": GIFT, "message": message}],
            **changes,
        }
    )


def skipped(world: CampaignWorld, campaign_id: str) -> list[tuple[str, bool, int]]:
    """Return what a campaign's report says was too late: day, whether all of it, and occasions."""
    report = Effects(world.database, world.clock).report_effects(campaign_id)
    return [(found.day, found.whole, found.occasions) for found in report.skipped]


def by_hand(world: CampaignWorld, member_id: str, campaign_id: str = "day-3") -> None:
    """Have a campaign write to a member by hand."""
    CampaignRuns(world.database, world.clock).send_by_hand(
        ByHandRequest(campaign_id=campaign_id, batch="b", member_ids=[member_id], actor="小王")
    )
