"""A chain whose members earn and spend points, and the model that predicts their ledgers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import event

from chain_data import NOON, Shop
from huitou.loyalty.earning.models import EarningRule
from huitou.loyalty.earning.service import Earning
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.ordering.orders.models import LineBack, Order, PendingRefund
from points_model import Purse, Written, level
from points_promised import Bought, Promise, Refund, promise
from simulation.chain import POINTS

GUESTS = ("ann", "bob")
PAID = {"paid", "completed", "refunding", "refunded"}
seen: Counter[str] = Counter()  # The cases that the machine reached, over all runs.


class World:
    """The shop, its orders, and the points that each member must have."""

    def begin(self, shop: Shop) -> None:
        self.shop = shop
        self.points = Points(shop.database, shop.clock)
        self.tiers = Tiers(shop.database, shop.clock)
        # Delivered orders pay a fee, which earns no points.
        shop.database.collection("stores").update_one(
            {"_id": "jingan"}, {"$set": {"delivery_fee_fen": 600}}
        )
        shop.database.cache.clear()

    def clear(self) -> None:
        """Begin a run in which nobody has ordered anything."""
        for name in (
            "orders",
            "accounts",
            "points_entries",
            "members",
            "identities",
            "logins",
            "tier_changes",
            "rule_revisions",
            "earning_rules",
            "notices",
            "coupons",
        ):
            self.shop.database.collection(name).delete_many({})
        at_first = PointsRules.model_validate(
            {**POINTS, "point_value_fen": 2, "max_order_share_bp": 9_000}
        )
        self.shop.database.collection("rules").replace_one({"_id": "points"}, at_first.document())
        self.shop.clock.moment = NOON
        self.in_force = at_first
        self.earning: dict[str, dict[str, Any]] = {}
        self.orders: list[Bought] = []
        self.owner: dict[str, str] = {}
        self.members = {name: self.shop.register(name) for name in GUESTS}
        self.purses = {member_id: Purse() for member_id in self.members.values()}
        self.refunds = 0

    def promised(self, order: Order) -> Promise:
        """Return what the present rules promise for this order."""
        by_points = next((d.by_line_fen for d in order.discounts if d.kind == "points"), None)
        lines = [
            {
                "category": one.category,
                "points_fen": by_points[n] if by_points else 0,
                "paid_fen": one.list_fen - sum(d.by_line_fen[n] for d in order.discounts),
            }
            for n, one in enumerate(order.lines)
        ]
        valid = [r for r in self.earning.values() if (r["valid_from"] or "") <= order.business_day]
        meeting = [
            r
            for r in valid
            if r["kind"] == "multiplier"
            and (not r["categories"] or any(one.category in r["categories"] for one in order.lines))
        ]
        return promise(
            self.in_force.model_dump(by_alias=True),
            meeting,
            [r for r in valid if r["kind"] == "bonus"],
            order.business_day,
            self.purses[order.member_id].level,
            lines,
        )

    def begin_refund(self, number: int, fen: int | None, pieces: int) -> bool:
        order = self.shop.orders.get_order(self.order(number).id)
        left_fen = order.left_fen
        if order.status not in ("paid", "completed") or left_fen == 0:
            return False
        wanted = left_fen if fen is None else min(fen, left_fen)
        backs = self.pieces_of(order, pieces) if pieces else []
        if backs:
            wanted = min(left_fen, sum(back.amount_fen for back in backs))
        self.refunds += 1
        pending = PendingRefund(refund_id=f"R{self.refunds:04}", amount_fen=wanted, lines=backs)
        self.shop.database.transact(
            lambda session: self.shop.orders.begin_refund(order, pending, "till", session)
        )
        return True

    def pieces_of(self, order: Order, pieces: int) -> list[LineBack]:
        """Return some pieces of the first or last line, as many as are left, with their money."""
        number = 0 if pieces > 0 else len(order.lines) - 1
        before = [
            b for r in (*order.refunds, *order.refunding) for b in r.lines if b.line == number
        ]
        left = order.lines[number].quantity - sum(back.quantity for back in before)
        paid = order.lines[number].list_fen - sum(d.by_line_fen[number] for d in order.discounts)
        quantity, left_fen = min(abs(pieces), left), paid - sum(b.amount_fen for b in before)
        if quantity == 0 or left_fen * quantity // left == 0:
            return []
        self.saw("pieces of a line back")
        if order.delivery_fen:
            self.saw("pieces back beside a fee")
        fen = left_fen * quantity // left
        return [LineBack(line=number, quantity=quantity, amount_fen=fen)]

    def settle(self, bought: Bought) -> None:
        if self.shop.settlement.settle_order(bought.id) == "settled":
            self.predict(bought)

    def predict(self, bought: Bought) -> None:
        order = self.shop.orders.get_order(bought.id)
        assert order.status in PAID
        bought.refunds = [
            Refund(r.refund_id, r.amount_fen, {b.line: b.amount_fen for b in r.lines})
            for r in order.refunds
        ]
        bought.is_over = order.status == "refunded"
        bought.is_completed = order.status == "completed"
        purse = self.purses[order.member_id]
        first, known, owed = purse.first, len(purse.written), purse.owed
        purse.settle(bought, self.today())
        self.look_at(purse.written[known:], owed)
        if first not in (None, purse.first) and purse.first is not None:
            self.saw("another first")
        if any(w.kind == "bonus" for w in purse.written[:known]) and any(
            w.kind == "bonus" for w in purse.written[known:]
        ):
            self.saw("another first")
        if (
            bought.promised
            and bought.given is not None
            and bought.given < bought.promised.worth // 1
        ):
            self.saw("capped")
        if self.today() > bought.day:
            self.saw("settled on a later day")

    def promotion(self, made: dict[str, Any], valid_from: str | None) -> None:
        before = self.earning.get(made["_id"], {"revision": 0})
        made = {**made, "revision": before["revision"] + 1, "valid_from": valid_from}
        Earning(self.shop.database, self.shop.clock).put_rule(EarningRule.model_validate(made))
        self.earning[made["_id"]] = {"categories": [], **made}
        self.shop.database.cache.clear()

    def level(self, member_id: str) -> str:
        day = (self.shop.clock.now() + timedelta(hours=8 - 4)).date().isoformat()
        found = level(self.purses[member_id].spend, day)
        if found != self.purses[member_id].level:
            self.saw(f"to {found}")
        return found

    def figures_agree(self, account: dict[str, Any], purse: Purse) -> None:
        oldest = (self.shop.clock.now() - timedelta(days=360)).date().isoformat()
        figures = {"spend": purse.spend, "orders": purse.orders, "points": purse.earned}
        for name, wanted in figures.items():
            found = account.get(f"{name}_by_day", {})
            assert {day: n for day, n in found.items() if n and day > oldest} == {
                day: n for day, n in wanted.items() if n and day > oldest
            }

    def look_at(self, fresh: list[Written], owed: int) -> None:
        """Count the cases that were reached."""
        for one in fresh:
            self.saw(one.kind)
            met = {
                "debt": one.debt > 0,
                "debt repaid": one.kind == "repay",
                "expired while owing": one.kind == "expire" and owed > 0,
                "waived": one.kind == "claw-back" and one.waived > 0,
                "return lost": one.kind == "return" and one.waived > 0,
                "pending taken back": one.kind == "claw-back"
                and any(waits_for for _, waits_for in one.lots),
                "matured by its day": one.kind == "mature" and one.fact is None,
                "matured by its order": one.kind == "mature" and one.fact is not None,
                "returned into a lot that had ended": one.kind == "return"
                and self.shop.clock.now().date() > NOON.date()
                and any(day in self.extended() for day, _ in one.lots),
            }
            for name in (name for name, is_met in met.items() if is_met):
                self.saw(name)

    def extended(self) -> set[str]:
        today = self.shop.clock.now() + timedelta(hours=8 - 4)
        return {(today + timedelta(days=days)).date().isoformat() for days in (1, 20)}

    def saw(self, name: str) -> None:
        seen[name] += 1
        event(name)

    def today(self) -> str:
        """Return the business day: all stores are in Shanghai, and their days end at 04:00."""
        return (self.shop.clock.now() + timedelta(hours=8 - 4)).date().isoformat()

    def order(self, number: int) -> Bought:
        return self.orders[-1 - number % len(self.orders)]

    def everything_is_settled(self) -> None:
        due = set(self.shop.settlement.due_orders())
        for bought in self.orders:
            if bought.id in due:
                self.settle(bought)

    def agrees(self) -> None:
        """Check that every stored figure and entry equals the model's."""
        today = self.today()
        for member_id, purse in self.purses.items():
            account = self.shop.account(member_id)
            assert account.get("lots", {}) == purse.lots()
            assert account.get("pending", {}) == purse.pending()
            assert account.get("debt", 0) == purse.owed
            assert account["available"] == purse.available
            assert account["reserved"] == purse.reserved
            assert account.get("first_order_id") == purse.first
            assert account.get("tier", {}).get("level", "basic") == purse.level
            self.figures_agree(account, purse)
            found = self.shop.database.collection("points_entries").find({"member_id": member_id})
            entries = sorted(found, key=lambda entry: int(entry["number"]))
            assert [written(entry) for entry in entries] == purse.written
            balance = purse.available + purse.reserved + sum(purse.pending().values())
            assert sum(entry["points"] for entry in entries) == balance
            now, shown = purse.as_of(today), self.points.show_points(member_id)
            assert (shown.available, shown.reserved, shown.pending) == (
                now.available,
                now.reserved,
                sum(now.pending().values()),
            )


def written(entry: dict[str, Any]) -> Written:
    """Return a stored entry in the form that the model uses."""
    lots: Counter[tuple[str, str | None]] = Counter()
    for move in entry.get("lots", ()):
        lots[move["expires_on"], move.get("usable")] += move["points"]
    by_itself = entry["actor"] == "calendar"
    return Written(
        entry["kind"],
        None if by_itself else entry["cause"],
        entry["points"],
        {key: count for key, count in lots.items() if count},
        entry.get("debt", 0),
        entry.get("waived", 0),
        entry.get("spend_fen", 0),
        entry.get("orders", 0),
        None if by_itself else entry["rules_revision"],
    )
