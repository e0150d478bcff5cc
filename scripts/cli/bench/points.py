"""`bench points`: awarding, spending and taking back points, against plain writes."""

from __future__ import annotations

from typing import Any

import click
from pymongo.client_session import ClientSession

from cli.bench import json_option, report, scratch_mongod
from cli.bench.orders import AT, DAY, open_accounts, paid_order
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import Work, compare
from huitou.growth.referrals.binding_service import FirstOrders
from huitou.loyalty.points.models import NEVER
from huitou.loyalty.points.service import Points
from huitou.ordering.settlement.service import Settlement
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database, Document, connect
from huitou.runtime.declarations import declare

MEMBERS = 400
SPENT = 100
BACK_FEN = 1_800  # One cup of four goes back.
LOT = [{"expires_on": NEVER, "points": SPENT}]


@click.command()
@click.option("--orders", default=400, show_default=True, help="Orders per round and side.")
@click.option("--rounds", default=5, show_default=True, help="Rounds, ours and floor in turn.")
@click.option("--threads", default=4, show_default=True, help="Settlers at once, on both sides.")
@profile_option
@json_option
def points(orders: int, rounds: int, threads: int, profile: Profile | None, as_json: bool) -> None:
    """Award, spend and take back points: entries, account and order in one transaction each.

    The floor does the same minimal writes with plain pymongo. It reads only the balance that the
    write of the account returns, for the entry; it chooses no lot and applies no rule. Same
    MongoDB, same threads, in turn; medians. `ratio` is the lowest of the three.
    """
    with scratch_mongod() as mongod:
        database = connect(mongod.uri, "bench")
        declare(database)
        open_accounts(database, [f"m{number}" for number in range(MEMBERS)])
        database.collection("accounts").update_many(
            {"_id": {"$gt": ""}}, {"$set": {"available": 10**9, f"lots.{NEVER}": 10**9}}
        )
        figures: dict[str, Any] = {}
        for name in ("award", "spend", "refund"):
            sides = {"ours": _ours(database, name), "floor": _floor(database, name)}

            def cases(side: str, number: int, name: str = name) -> list[str]:
                ids = [f"{name}-{side}{number}-{n}" for n in range(orders)]
                _prepare(database, name, ids)
                return ids

            figures[name] = compare(
                sides, cases, rounds=rounds, threads=threads, profile=profile, before=f"{name} "
            )
        database.client.close()
    least = min(figure["ratio"] for figure in figures.values())
    report({**figures, "ratio": least, "threads": threads}, profile, as_json=as_json)


def _member(order_id: str) -> str:
    return f"m{int(order_id.rsplit('-', 1)[1]) % MEMBERS}"


def _prepare(database: Database, name: str, ids: list[str]) -> None:
    """Write the orders whose points the benchmark moves."""
    orders = [paid_order(order_id, _member(order_id)) for order_id in ids]
    for order in orders:
        if name == "spend":
            order |= {"points_used": SPENT, "points_drawn": LOT}
        if name == "refund":
            back = {"refund_id": f"R{order['_id']}", "amount_fen": BACK_FEN, "lines": [], "at": AT}
            order |= {"refunds": [back], "rollup": "done"}
    database.collection("orders").insert_many(orders)
    if name == "refund":
        database.collection("points_entries").insert_many(
            [_entry("earn", order["_id"], order["_id"], 72, 7_200) for order in orders]
        )


def _ours(database: Database, name: str) -> Work:
    clock = RealClock()
    settlement = Settlement(database, clock, FirstOrders(database, clock))
    ledger = Points(database, clock)
    if name != "spend":
        return settlement.settle_order

    def spend(order_id: str) -> object:
        database.transact(lambda session: ledger.reserve_points(_member(order_id), SPENT, session))
        return settlement.settle_order(order_id)

    return spend


def _floor(database: Database, name: str) -> Work:
    """Return the minimal writes by hand; no ledger can be faster."""
    orders = database.collection("orders")
    entries = database.collection("points_entries")
    accounts = database.collection("accounts")

    def move(member_id: str, moved: Document, session: ClientSession) -> Document:
        change = {"$inc": moved | {"version": 1}, "$set": {"tier_review": "due"}}
        now = accounts.find_one_and_update(
            {"_id": member_id}, change, {"available": 1, "entries": 1}, session=session
        )
        return {"number": (now or {})["entries"], "balance": (now or {})["available"]}

    def settle(order_id: str) -> None:
        member_id, lot, back_id = _member(order_id), f"lots.{NEVER}", f"R{order_id}"
        days = {f"spend_by_day.{DAY}": 7_200, f"orders_by_day.{DAY}": 1, f"points_by_day.{DAY}": 72}
        posted = [_entry("earn", order_id, order_id, 72, 7_200)]
        moved: Document = {"available": 72, lot: 72, "entries": 1} | days
        if name == "spend":
            posted.append(_entry("use", order_id, order_id, -SPENT, 0))
            moved |= {"reserved": -SPENT, "entries": 2}
        if name == "refund":
            posted = [_entry("claw-back", back_id, order_id, -18, -BACK_FEN)]
            moved = {
                "available": -18,
                lot: -18,
                "entries": 1,
                f"spend_by_day.{DAY}": -BACK_FEN,
                f"points_by_day.{DAY}": -18,
            }

        def write(session: ClientSession) -> None:
            due = {"_id": order_id, "settlement": "due"}
            done = {"$set": {"settlement": "done", "rollup": "due"}}
            orders.update_one(due, done, session=session)
            told = move(member_id, moved, session)
            if len(posted) == 1:
                entries.insert_one(posted[0] | told, session=session)
            else:
                entries.insert_many([entry | told for entry in posted], session=session)

        database.transact(write)

    def spend(order_id: str) -> None:
        aside = {"available": -SPENT, f"lots.{NEVER}": -SPENT, "reserved": SPENT}
        database.transact(lambda session: move(_member(order_id), aside, session))
        settle(order_id)

    return spend if name == "spend" else settle


def _entry(kind: str, cause: str, order_id: str, points: int, spend_fen: int) -> Document:
    """Return an entry as the ledger stores it."""
    return {
        "_id": f"{kind}:{cause}",
        "schema": 1,
        "member_id": _member(order_id),
        "number": 1,
        "kind": kind,
        "points": points,
        "lots": [{"expires_on": NEVER, "points": points}],
        "balance": 10**9,
        "spend_fen": spend_fen,
        "order_id": order_id,
        "business_day": DAY,
        "booked_on": DAY,
        "at": AT,
        "cause": cause,
        "actor": "settlement",
        "rules_revision": 1,
        "is_test": False,
    }
