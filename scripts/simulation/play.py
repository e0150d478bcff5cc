"""Play a chain's days on a local cloud: log-ins, quotes, orders, payments, refunds, timers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from localcloud.client import LocalCloudClient
from simulation.chain import CAMPAIGNS, PLACES, PUSH, chain, scene
from simulation.guests import Guest, Visit, make_guests, visits_after_messages, visits_on

ZONE = ZoneInfo("Asia/Shanghai")
FIRST_DAY = datetime(2026, 3, 2, tzinfo=ZONE)
# Noon, evening (from here on all stores are open), supper after midnight.
SLOTS = (timedelta(hours=12, minutes=20), timedelta(hours=18, minutes=30),
         timedelta(hours=24, minutes=50))  # fmt: skip
# By these times campaigns have sent their morning messages, or the ones before supper.
CARE_AT, SUPPER_AT = timedelta(hours=10, minutes=5), timedelta(hours=21, minutes=45)
SUPPER_DAYS = (4, 5)
RAINS_EVERY, RAIN = 6, {"precip": "18.5", "tempMax": "12", "tempMin": "7"}
# After the last day: requests the last refunds and shares, and then their results.
SETTLING = (0, 2, 4, 8, 16, 32)
TOGETHER = 4  # So many guests order at the same moment.


class SimulationError(Exception):
    """A call failed with an error that no guest should see."""


@dataclass
class Tally:
    """Counts what the guests did, as the guests see it."""

    events: Counter[str] = field(default_factory=Counter)


class Simulation:
    """A run of `days` business days with `members` guests; a seed makes it repeatable."""

    def __init__(
        self, cloud: LocalCloudClient, *, seed: int = 7, members: int = 200, days: int = 60
    ) -> None:
        self._cloud = cloud
        self._seed = seed
        self._days = days
        self._guests = make_guests(seed, members, days)
        self._greeted: set[str] = set()
        self._messages_seen = 0
        self.moment = FIRST_DAY  # Business time, as the phones of guests tell it.
        self.tally = Tally()

    def play(self, progress: Callable[[str], None]) -> None:
        """Play every day; calls `progress` with each business day as it begins."""
        dice, told_dice = random.Random(self._seed + 1), random.Random(self._seed + 2)
        self._cloud.control("clock", at=FIRST_DAY.isoformat(), stands=True)
        load(self._cloud)
        start_campaigns(self._cloud)
        for day in range(0, self._days, RAINS_EVERY):
            rainy = FIRST_DAY + timedelta(days=day)
            self._cloud.control("weather", day=rainy.date().isoformat(), values=RAIN)
        with ThreadPoolExecutor(TOGETHER) as pool:
            for day in range(self._days):
                opens = FIRST_DAY + timedelta(days=day)
                progress(opens.date().isoformat())
                visits = visits_on(dice, day, self._guests, len(SLOTS))
                self._play_day(opens, visits, pool, told_dice)
        closes = FIRST_DAY + timedelta(days=self._days, hours=5)
        for minutes in SETTLING:
            after = closes + timedelta(minutes=minutes)
            self._cloud.control("advance", to=after.isoformat())

    def _guests_with_new_messages(self) -> list[Guest]:
        """Return the guests whose phones have got a message since the last call."""
        messages = self._cloud.control("mini-program/messages")["messages"]
        new, self._messages_seen = messages[self._messages_seen :], len(messages)
        openids = {message["touser"] for message in new}
        told = [guest for guest in self._guests if guest.openid in openids]
        for guest in told:
            inbox = self._ok("member-profile", guest, {"action": "inbox", "limit": 1})
            message_id = inbox["messages"][0]["message_id"]
            self._ok("member-profile", guest, {"action": "open_message", "message_id": message_id})
        return told

    def _play_day(
        self, opens: datetime, visits: list[Visit], pool: ThreadPoolExecutor, dice: random.Random
    ) -> None:
        self._cloud.control("advance", to=(opens + CARE_AT).isoformat())
        told = self._guests_with_new_messages()
        visits = visits_after_messages(dice, told, visits, len(SLOTS))
        for slot, after in enumerate(SLOTS):
            if slot == len(SLOTS) - 1 and opens.weekday() in SUPPER_DAYS:
                self._cloud.control("advance", to=(opens + SUPPER_AT).isoformat())
            self.moment = opens + after
            self._cloud.control("advance", to=self.moment.isoformat())
            # A guest's two visits in one slot would race, so they follow one another.
            for result in pool.map(self.serve, [v for v in visits if v.slot == slot]):
                self.tally.events[result] += 1

    def serve(self, visit: Visit) -> str:
        """Play one visit from the log-in to its end; returns how it ended."""
        guest = visit.guest
        self._ok("member-profile", guest, {"action": "login"})
        if guest.openid not in self._greeted:
            self._greet(guest, visit.store_id)
        if guest.shares_place:
            self._arrive(guest, visit.store_id)
        self._ok("store-menu", guest, {"action": "menu", "store_id": visit.store_id})
        cart: dict[str, Any] = {"store_id": visit.store_id, "items": visit.items}
        quote = self._ok("pay", guest, {"action": "quote", **cart})
        quote, cart = self._with_benefits(guest, quote, cart)
        order = self._ok(
            "pay",
            guest,
            {
                "action": "create",
                **cart,
                "quote_id": quote["quote_id"],
                "payable_fen": quote["payable_fen"],
            },
        )
        order_id = order["order_id"]
        if visit.end == "cancels":
            self._ok("pay", guest, {"action": "cancel", "order_id": order_id})
            return "cancelled"
        prepaid = self._ok("pay", guest, {"action": "prepay", "order_id": order_id})
        if visit.end == "leaves":
            return "left unpaid"
        if prepaid["status"] == "paying":
            self._cloud.pay(guest.openid, prepaid["payment"])
            if visit.waits or visit.end != "pays":
                self._ok("pay", guest, {"action": "status", "order_id": order_id})
        self._after_paying(guest, order_id)
        if visit.end == "changes mind":
            self._ok("pay", guest, {"action": "cancel", "order_id": order_id})
            return "cancelled with money back"
        if visit.waits:
            for step in ("accept", "prepare", "ready", "pick_up"):
                self._staff(step, order_id=order_id, actor="till-1")
        if visit.end == "sends back":
            self._send_back(order_id)
            return "refunded"
        if visit.end == "one back":
            self._send_back(order_id, lines=[{"line": 0, "quantity": 1}])
            return "partly refunded"
        return "paid"

    def _greet(self, guest: Guest, store_id: str) -> None:
        """On the first visit, bind the phone and take the welcome coupon of the table's sticker."""
        self._greeted.add(guest.openid)
        code = self._cloud.phone_code(guest.phone)
        self._ok("member-profile", guest, {"action": "bind_phone", "code": code})
        for purpose, given in (
            ("marketing", guest.likes_offers),
            ("precise_location", guest.shares_place),
        ):
            self._ok(
                "member-profile",
                guest,
                {
                    "action": "consent",
                    "purpose": purpose,
                    "given": given,
                    "text_version": "2026-03",
                },
            )
        if guest.birthday is not None:
            self._ok("member-profile", guest, {"action": "update", "birthday": guest.birthday})
        if guest.scans_code:
            self._ok(
                "member-profile",
                guest,
                {
                    "action": "welcome",
                    "scene": scene(store_id, "table"),
                },
            )

    def _after_paying(self, guest: Guest, order_id: str) -> None:
        """Perhaps allow one more message: WeChat lets the mini-program ask after a payment."""
        place = int(order_id[1:9], 16) / 16**8  # The same for the same order.
        if place >= guest.allows_messages:
            return
        answers = self._cloud.accept_messages(guest.openid, [PUSH])
        self._ok(
            "member-profile",
            guest,
            {
                "action": "subscribed",
                "prompt_id": order_id,
                "answers": [
                    {"template_id": name, "result": result} for name, result in answers.items()
                ],
            },
        )

    def _arrive(self, guest: Guest, store_id: str) -> None:
        """Report the phone's position, at the store's door, to the mini-program."""
        lat, lng = PLACES[store_id]
        near = self._ok(
            "geofence-check",
            guest,
            {
                "action": "check",
                "lat": lat,
                "lng": lng,
                "system": "GCJ-02",
                "accuracy_m": 30,
                "at": self.moment.isoformat(),
            },
        )
        if [store["store_id"] for store in near["stores"]] != [store_id]:
            raise SimulationError(f"geofence-check: at {store_id} it found {near['stores']}")

    def _with_benefits(
        self, guest: Guest, quote: dict[str, Any], cart: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Choose the best coupons, and points if the guest uses them, and quote again."""
        if quote["best"]["coupon_ids"]:
            cart = cart | {"coupons": "best"}
        if guest.uses_points and quote["points_max"] >= 100:
            # A coupon lowers the price, and so the amount that points may pay.
            cart = cart | {"points": quote["points_max"] // 2}
        if len(cart) > 2:
            quote = self._ok("pay", guest, {"action": "quote", **cart})
        return quote, cart

    def _send_back(self, order_id: str, **part: Any) -> None:
        """Refund at the till; a manager approves a refund above the till's limit."""
        asked = self._staff(
            "refund",
            order_id=order_id,
            refund_id=f"R{order_id}",
            **part,
            reason="菜品不满意",
            actor="till-1",
            role="cashier",
        )
        if asked["status"] == "awaiting_approval":
            self._staff(
                "decide_refund",
                refund_id=f"R{order_id}",
                approve=True,
                actor="manager-1",
                role="manager",
            )

    def _staff(self, action: str, **fields: Any) -> dict[str, Any]:
        answer = self._cloud.internal_call("pay", {"action": action, **fields})
        if not answer["ok"]:
            raise SimulationError(f"{action}: {answer['error']}")
        return dict(answer["data"])

    def _ok(self, function: str, guest: Guest, data: dict[str, Any]) -> dict[str, Any]:
        answer = self._cloud.member_call(function, guest.openid, data)
        if not answer["ok"]:
            raise SimulationError(f"{function} {data['action']}: {answer['error']}")
        return dict(answer["data"])


def start_campaigns(cloud: LocalCloudClient) -> None:
    """Check the sample chain's campaigns and let them run."""
    for campaign in CAMPAIGNS:
        named = {"campaign_id": campaign["_id"], "actor": "运营小李"}
        for event in (
            {"action": "put", "campaign": campaign, "actor": "运营小李"},
            {"action": "check", **named},
            {"action": "start", **named},
        ):
            answer = cloud.internal_call("campaign-run", event)
            if not answer["ok"]:
                raise SimulationError(f"{event['action']} {campaign['_id']}: {answer['error']}")


def load(cloud: LocalCloudClient) -> None:
    """Load the sample chain, marked as sample data."""
    answer = cloud.internal_call("maintenance", {"action": "load", **chain()})
    if not answer["ok"]:
        raise SimulationError(f"load: {answer['error']}")
    cloud.control("mark", sample=True)
