"""Every action's real answer has the shape that its model declares."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import requests

from answers import CheckedClient
from cloud_guest import Guest, eventually
from huitou.payments.discrepancies.service import Discrepancies
from huitou.runtime.dead_letters import record_letter
from localcloud.cloud import LocalCloud
from typings.tables import read_tables

pytestmark = pytest.mark.slow
HOME = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}


def as_member(guest: Guest, client: CheckedClient) -> None:
    """Call every action for members, and refund an order."""
    profile = "member-profile"
    guest.ok("store-menu", action="stores")
    guest.ok("store-menu", action="menu", store_id="jingan")
    guest.ok(profile, action="update", nickname="Anna", birthday="1990-05-01")
    guest.ok(profile, action="bind_phone", code=client.phone_code("13900008801"))
    guest.ok(profile, action="welcome", scene="table-jingan")
    paid = guest.buy()
    eventually(lambda: guest.points() > 0)
    cancelled = guest.order()
    guest.ok("pay", action="status", order_id=cancelled)
    guest.ok("pay", action="cancel", order_id=cancelled)
    assert "payment" not in guest.ok("pay", action="prepay", order_id=paid)
    assert len(guest.ok(profile, action="orders", limit=1)["orders"]) == 1
    assert guest.ok(profile, action="points")["entries"]
    assert guest.ok(profile, action="coupons")["coupons"]
    assert guest.ok(profile, action="notices")["next"] is None
    cart = {"store_id": "jingan", "items": [{"dish_id": "dandan", "sku_id": "l", "quantity": 1}]}
    assert guest.ok("pay", action="quote", **cart)["coupons"]
    guest.ok("pay", action="ask_invoice", order_id=paid, title="某某公司")
    serving(guest, client, paid)


def serving(guest: Guest, client: CheckedClient, paid: str) -> None:
    """Serve an order step by step; then refuse an order, and ask for a refund and decide it."""
    for step in ("accept", "prepare", "ready", "pick_up", "complete"):
        internal(client, "pay", action=step, order_id=paid, actor="till")
    guest.ok("pay", action="ask_refund", order_id=paid, reason="凉了")
    [waiting] = [
        refund
        for refund in internal(client, "pay", action="refunds", limit=200)["refunds"]
        if refund["order_id"] == paid
    ]
    decision = {"refund_id": waiting["refund_id"], "actor": "ann", "role": "manager"}
    internal(client, "pay", action="decide_refund", approve=False, **decision)
    refund = {"refund_id": f"R{paid}", "reason": "x", "actor": "y", "role": "finance"}
    part = [{"line": 0, "quantity": 1}]
    internal(client, "pay", action="refund", order_id=paid, **refund, lines=part)
    sent = guest.buy(mode="delivery", delivery=HOME)
    refused = guest.buy()
    eventually(lambda: {guest.status(sent), guest.status(refused)} == {"paid"})
    for step in ("accept", "prepare", "ready", "deliver"):
        internal(client, "pay", action=step, order_id=sent, actor="till")
    internal(client, "pay", action="refuse", order_id=refused, actor="till", reason="卖完了")


def money(cloud: LocalCloud, guest: Guest, client: CheckedClient) -> None:
    """Refund a surplus twice, compare yesterday with its bill, and resolve the differences."""
    late = guest.order()
    guest.prepay(late)
    guest.ok("pay", action="cancel", order_id=late)
    cloud.set_wechat_pay_mode({"refunds_end": "CLOSED"})
    cloud.wechat_pay.force_paid(f"{late}n1")
    cloud.wechat_pay.notify_paid(f"{late}n1")
    refunds = cloud.database.collection("refunds")
    surplus = {"_id": f"surplus@{late}n1"}
    eventually(lambda: refunds.find_one(surplus) is not None)
    client.control("fire", function="pay")
    eventually(lambda: (refunds.find_one(surplus) or {})["status"] == "closed")
    cloud.set_wechat_pay_mode({"refunds_end": "SUCCESS"})
    asked = internal(client, "pay", action="ask_payment", out_trade_no=f"{late}n1")
    assert asked["status"] == "surplus"
    stuck = cloud.database.collection("refunds").insert_one({
        "_id": "stuck@answers", "kind": "surplus", "order_id": late, "member_id": "m",
        "out_trade_no": f"{late}n1", "amount_fen": 1, "reason": "x", "actor": "y",
        "status": "requested", "created_at": cloud.clock.now(),
    }).inserted_id  # fmt: skip
    internal(client, "pay", action="abandon_refund", refund_id=stuck, actor="ann")
    cloud.database.collection("refunds").delete_one({"_id": stuck})
    internal(client, "pay", action="refund_again", refund_id=surplus["_id"], actor="ann")
    yesterday = (cloud.clock.now() - timedelta(days=1)).date().isoformat()
    report = internal(client, "pay", action="reconcile_bill", day=yesterday)
    assert report["fund_flow"] == "agrees"
    Discrepancies(cloud.database, cloud.clock).note_difference(
        source="bill", kind="test", reference="answers", expected=1, found=None, day=yesterday
    )
    [found] = internal(client, "pay", action="differences", day=yesterday)["discrepancies"]
    words = {"discrepancy_id": found["discrepancy_id"], "actor": "ann", "note": "seen"}
    internal(client, "pay", action="resolve_difference", **words)


def internal(client: CheckedClient, function: str, **event: Any) -> dict[str, Any]:
    answer = client.internal_call(function, event)
    assert answer["ok"], answer
    return dict(answer["data"])


def at_the_points_desk(client: CheckedClient, guest: Guest) -> None:
    """Call every action on points for staff."""
    member_id = guest.ok("member-profile", action="profile")["member_id"]
    staff = {"adjustment_id": f"answers-{member_id}", "actor": "ann", "role": "manager"}
    wanted = {"member_id": member_id, "points": 5_000, "reason": "补偿"}
    internal(client, "points-sync", action="adjust_points", **staff, **wanted)
    assert internal(client, "points-sync", action="adjustments")["adjustments"]
    staff |= {"actor": "bob", "reason": "见过监控"}
    internal(client, "points-sync", action="decide_adjustment", approve=True, **staff)
    answer = internal(client, "points-sync", action="statement", member_id=member_id)
    assert answer["available"] >= 5_000
    today = internal(client, "points-sync", action="liability")["as_of"]
    assert internal(client, "points-sync", action="liability", as_of=today)["agrees"]
    in_mall_and_games(client, guest, member_id)
    other = Guest(client).ok("member-profile", action="profile")["member_id"]
    merge = {"merge_id": f"answers-{member_id}", "actor": "ann", "reason": "同一人"}
    internal(
        client, "points-sync", action="merge_members",
        from_member=member_id, into_member=other, **merge,
    )  # fmt: skip
    assert internal(client, "points-sync", action="merges")["merges"]
    internal(
        client, "points-sync", action="decide_merge", merge_id=merge["merge_id"], approve=False,
        actor="bob",
    )  # fmt: skip
    assert guest.ok("member-profile", action="merge_code")["seconds"] == 600
    rows = [{"line": line, "id": str(line), "member": "answers",
             "lots": [{"points": 5, "expires_on": day}]}
            for line, day in ((1, "2099-12-31"), (2, "2001-12-31"))]  # fmt: skip
    batch = {"source": "answers", "rows": rows, "dry_run": True}
    report = internal(client, "maintenance", action="import_balances", **batch)
    assert (report["imported"], report["rejected"]) == (1, 1)


def in_mall_and_games(client: CheckedClient, guest: Guest, member_id: str) -> None:
    """Check in, write a review, exchange points, and use points in a game."""
    assert guest.ok("member-profile", action="check_in")["points"] == 5
    review = {"event": "review", "member_id": member_id, "cause": f"answers:{member_id}"}
    assert internal(client, "points-sync", action="award_bonus", **review)["outcome"] == "no_rule"
    items = guest.ok("member-profile", action="mall")["items"]
    assert {item["item_id"]: item["why_not"] for item in items} == {"off-3": None, "off-20": None}
    wanted = {"item_id": "off-20", "exchange_id": f"answers-{member_id}"}
    first = guest.ok("member-profile", action="exchange", **wanted)
    assert guest.ok("member-profile", action="exchange", **wanted) == first
    for number, ends in enumerate(("commit_points", "release_points")):
        held = {"hold_id": f"game:{member_id}:{number}", "member_id": member_id, "points": 1}
        internal(client, "points-sync", action="hold_points", purpose="game", **held)
        internal(client, "points-sync", action=ends, hold_id=held["hold_id"])


def at_the_coupon_desk(client: CheckedClient, guest: Guest) -> None:
    """Call every action on coupons, codes and prices."""
    member_id = guest.ok("member-profile", action="profile")["member_id"]
    free = {"_id": "answers", "name": "领券", "valid_days": 3, "claimable": True,
            "terms": {"off_fen": 100}, "limits": {"quota": 9, "per_member": 9}}  # fmt: skip
    internal(client, "maintenance", action="load", coupon_templates=[free])
    claimed = guest.ok("member-profile", action="claim", template_id="answers", claim_id="1")
    coupon = {"coupon_id": claimed["coupon_id"]}
    token = guest.ok("member-profile", action="coupon_token", **coupon)["coupon_token"]
    at_till = {"coupon_token": token, "store_id": "jingan"}
    assert internal(client, "coupon-issue", action="verify_token", **at_till)["why_not"] is None
    done = internal(
        client, "coupon-issue", action="redeem_token", till_reference="T1", actor="ann", **at_till
    )
    assert done["status"] == "redeemed"
    by_hand = {"member_id": member_id, "template_id": "answers", "cause": "sorry", "actor": "ann"}
    issued = internal(client, "coupon-issue", action="issue", **by_hand)
    internal(client, "coupon-issue", action="revoke", coupon_id=issued["coupon_id"],
             actor="ann", reason="by mistake")  # fmt: skip
    friend = Guest(client)
    internal(client, "maintenance", action="load", coupon_templates=[
        free | {"_id": "answers-gift", "transferable": True}])  # fmt: skip
    own = guest.ok("member-profile", action="claim", template_id="answers-gift", claim_id="1")
    gift = guest.ok("member-profile", action="give", coupon_id=own["coupon_id"])["gift"]
    assert friend.ok("member-profile", action="take_gift", gift=gift)["status"] == "issued"
    batch = {"batch": "answers"}
    link = internal(client, "member-profile", action="claim_link", template_id="answers")
    assert link["path"].endswith("?template_id=answers")
    internal(client, "coupon-issue", action="make_codes", template_id="answers", count=2,
             actor="ann", **batch)  # fmt: skip
    codes = internal(client, "coupon-issue", action="codes", **batch)["codes"]
    assert guest.ok("member-profile", action="redeem_code", code=codes[0])["status"] == "issued"
    assert internal(client, "coupon-issue", action="batches")["batches"][0]["redeemed"] == 1
    internal(client, "coupon-issue", action="revoke_batch", actor="ann", **batch)
    cart = {"store_id": "jingan", "items": [{"dish_id": "milk-tea", "sku_id": "m", "quantity": 2}]}
    answer = internal(client, "pay", action="price", member_id=member_id, coupons="best", **cart)
    assert answer["payable_fen"] == answer["best"]["payable_fen"]
    explained = internal(client, "pay", action="explain", order_id=guest.order())
    assert explained["same"]


def at_the_campaign_desk(cloud: LocalCloud, client: CheckedClient, guest: Guest) -> None:
    """Call every action on consents, messages, campaigns, positions and friends."""
    profile, desk = "member-profile", "campaign-run"
    member_id = guest.ok(profile, action="profile")["member_id"]
    for purpose in ("marketing", "precise_location"):
        guest.ok(profile, action="consent", purpose=purpose, given=True, text_version="1")
    answers = [{"template_id": "huitou-care", "result": "accept"}]
    client.accept_messages(guest.openid, ["huitou-care"])
    left = guest.ok(profile, action="subscribed", prompt_id="answers", answers=answers)["left"]
    assert left == {"huitou-care": 1}
    draft = {
        "_id": "answers", "name": "试", "trigger": {"kind": "by_hand"}, "holdout_bp": 0,
        "valid_from": "2020-01-01", "valid_until": "2099-12-31", "variants": [{"message": {
            "title": "你好", "body": "回来吧", "push_template_id": "huitou-care"}}],
    }  # fmt: skip
    named = {"campaign_id": "answers", "actor": "ann"}
    assert internal(client, desk, action="lint", campaign=draft)["findings"]
    internal(client, desk, action="put", campaign=draft, actor="ann")
    assert internal(client, desk, action="check", **named)["to_accept"] == ["unmeasured"]
    internal(client, desk, action="accept", rule="unmeasured", **named)
    assert internal(client, desk, action="check", **named)["status"] == "checked"
    for step, status in (("start", "running"), ("pause", "paused"), ("start", "running")):
        assert internal(client, desk, action=step, **named)["campaign"]["status"] == status
    internal(client, desk, action="by_hand", batch="1", member_ids=[member_id], **named)
    internal(client, desk, action="event", kind="review", member_id=member_id, cause="answers")
    done = internal(client, desk, action="work", seconds=20)
    assert (done["counts"], done["pushes"]) == ({"a": 1}, {"sent": 1})
    [sent] = [m for m in client.control("mini-program/messages")["messages"]
              if m["touser"] == guest.openid]  # fmt: skip
    assert sent["data"]["thing1"] == {"value": "你好"}
    [message] = guest.ok(profile, action="inbox")["messages"]
    guest.ok(profile, action="open_message", message_id=message["message_id"])
    assert internal(client, desk, action="report", campaign_id="answers")["groups"][0]["opened"]
    assert internal(client, desk, action="get", campaign_id="answers")["changes"]
    assert internal(client, desk, action="list", status="running")["campaigns"]
    assert internal(client, desk, action="runs", campaign_id="answers")["runs"] == []
    internal(client, desk, action="tag", tag="vip", add=[member_id])
    vip = {"feature": "tag", "among": ["vip"]}
    assert internal(client, desk, action="audience", audience=vip)["matching"] == 1
    assert internal(client, desk, action="features")["different"] == []
    internal(client, desk, action="end", **named)
    group = draft | {"_id": "answers-group", "trigger": {"kind": "group", "opengids": ["G1"]},
                     "variants": [{"gift": {"kind": "coupon", "template_id": "back-30-8"},
                                   "message": {"title": "社群券", "body": "{gift}"}}]}  # fmt: skip
    named = {"campaign_id": "answers-group", "actor": "ann"}
    internal(client, desk, action="put", campaign=group, actor="ann")
    internal(client, desk, action="accept", rule="unmeasured", **named)
    internal(client, desk, action="check", **named)
    internal(client, desk, action="start", **named)
    proof = client.enter_group(guest.openid, "G1")
    taken = guest.ok(profile, action="group_offer", campaign_id="answers-group", **proof)
    assert taken["coupon"]["name"] == "想念券 满30减8"
    internal(client, desk, action="end", **named)
    near = guest.ok("geofence-check", action="check", lat=31.2243, lng=121.4468, system="GCJ-02",
                    accuracy_m=20, at=cloud.clock.now().isoformat())  # fmt: skip
    assert [store["store_id"] for store in near["stores"]] == ["jingan"]
    bringing_a_friend(cloud, client, guest)


def bringing_a_friend(cloud: LocalCloud, client: CheckedClient, guest: Guest) -> None:
    """Refer a friend whom WeChat rates as risky, and let a person decide."""
    mine = guest.ok("referral-settle", action="mine")
    drawn = guest.ok("referral-settle", action="code_image")["image"]
    assert base64.b64decode(drawn).startswith(b"\x89PNG")
    link = guest.ok("referral-settle", action="poster")["url"]
    poster = requests.get(link, timeout=10)
    assert (poster.status_code, poster.headers["Content-Type"]) == (200, "image/jpeg")
    assert guest.ok("referral-settle", action="poster")["url"].split("?")[0] == link.split("?")[0]
    client.control("mini-program/risk", openid="friend-of-answers", rank=3)
    friend = Guest(client, "friend-of-answers", mine["scene"])
    assert friend.login["invited"]
    friend.buy()
    referrals = cloud.database.collection("referrals")
    named = {"referral_id": friend.login["member_id"]}
    eventually(lambda: (referrals.find_one({"_id": named["referral_id"]}) or {}).get("order_id"))
    referrals.update_one(
        {"_id": named["referral_id"]},
        {"$set": {"status": "held", "reasons": ["risk_rank"]}, "$unset": {"look_at": ""}},
    )
    assert internal(client, "referral-settle", action="held")["referrals"]
    answer = internal(client, "referral-settle", action="referral", **named)
    assert answer["status"] == "held"
    decided = internal(client, "referral-settle", action="decide", approve=False, actor="ann",
                       reason="小号", **named)  # fmt: skip
    assert decided["status"] == "refused"
    assert referrals.find_one({"_id": named["referral_id"]})["rank"] == 3


def as_operator(client: CheckedClient, letter_id: str) -> None:
    """Call every other action for internal callers."""
    internal(client, "store-menu", action="stores")
    internal(client, "console", action="add_staff", staff_id="answers", name="李", role="owner")
    internal(client, "console", action="reset_staff", staff_id="answers")
    assert internal(client, "console", action="staff")["staff"]
    internal(client, "kpi-rollup", action="roll_up")
    today = internal(client, "kpi-rollup", action="report")["as_of"]
    internal(client, "kpi-rollup", action="report", as_of=today, store_id="jingan")
    internal(client, "kpi-rollup", action="stores", as_of=today)
    internal(client, "kpi-rollup", action="days", first=today, last=today)
    internal(client, "maintenance", action="declare")
    internal(client, "maintenance", action="load", stores=[])
    offers = [{"template_id": "rain-tea-3"}]
    rules = {"arrival_rules": {"revision": 1, "offers": offers}}
    assert internal(client, "maintenance", action="lint", **rules)["findings"]
    phone = {"phone": "139 0000 8801"}
    internal(client, "member-profile", action="find_by_phone", **phone)
    rows = [{"line": line, "member": "answers", "paid_on": "2026-01-01", "amount_fen": 100,
             "store": store} for line, store in ((1, "jingan"), (2, "nowhere"))]  # fmt: skip
    report = internal(client, "maintenance", action="import_orders", rows=rows, dry_run=True)
    assert (report["imported"], report["rejected"]) == (1, 1)
    internal(client, "maintenance", action="import_orders", rows=rows[:1], import_id="i-answers-1",
             file="till.csv")  # fmt: skip
    assert internal(client, "maintenance", action="imports")["imports"]
    undo = {"action": "undo_import", "import_id": "i-answers-1"}
    undone = internal(client, "maintenance", **undo)
    assert (undone["orders"], undone["rest"]) == (1, 1)
    assert internal(client, "maintenance", **undo)["rest"] == 0  # Its members go, too.
    rules = internal(client, "tier-evaluate", action="rules")["rules"]
    rules |= {"revision": rules["revision"] + 1}
    internal(client, "tier-evaluate", action="dry_run", rules=rules)
    internal(client, "tier-evaluate", action="apply", rules=rules)
    while internal(client, "tier-evaluate", action="run", seconds=5)["status"] == "running":
        pass
    internal(client, "maintenance", action="reconcile")
    internal(client, "maintenance", action="health")
    letters = internal(client, "maintenance", action="dead_letters")["dead_letters"]
    assert letter_id in [letter["letter_id"] for letter in letters]
    internal(client, "maintenance", action="replay", letter_id=letter_id)


def test_every_action_answers_as_declared(cloud: LocalCloud, client: CheckedClient) -> None:
    guest = Guest(client)
    as_member(guest, client)
    record_letter(cloud.database, "points-sync", "o-answers", "TEST")
    as_operator(client, "points-sync:o-answers")
    money(cloud, guest, client)
    at_the_coupon_desk(client, guest)
    at_the_campaign_desk(cloud, client, guest)
    at_the_points_desk(client, guest)
    offered = {
        (door, table.function, action)
        for table in read_tables()
        for door, actions in (("member", table.member), ("internal", table.internal))
        for action in actions
    }
    assert client.checked == offered
