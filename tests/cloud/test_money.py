"""Money through the whole local cloud: pay's timers, the daily bill, and errors put into it."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from typing import Any

import pytest

from bootstrap import ROOT
from cloud_guest import Guest, eventually
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow


@pytest.fixture
def guest(client: LocalCloudClient) -> Guest:
    return Guest(client)


def internal(client: LocalCloudClient, action: str, **fields: Any) -> dict[str, Any]:
    answer = client.internal_call("pay", {"action": action, **fields})
    assert answer["ok"], answer
    return dict(answer["data"])


def later(cloud: LocalCloud, **ahead: float) -> None:
    cloud.advance(cloud.clock.now() + timedelta(**ahead))


def bought(cloud: LocalCloud, guest: Guest, **cart: Any) -> str:
    order_id = guest.buy(**cart)
    eventually(lambda: guest.status(order_id) == "paid")
    return order_id


def test_a_franchise_gets_its_share_and_returns_it_after_a_refund(
    cloud: LocalCloud, guest: Guest
) -> None:
    order_id = bought(cloud, guest, quantity=4, store_id="xujiahui")
    number = f"{order_id}n1"
    for _ in range(3):
        later(cloud, minutes=2)
    shared = cloud.wechat_pay.book_of(number)["shared_fen"]
    # ¥60 less ¥21 of offers, less 0.6 % fee: 20 % to the owner, 3 % to the brand.
    assert shared == 775 + 116
    internal(
        guest.client,
        "refund",
        order_id=order_id,
        refund_id=f"R{order_id}",
        reason="test",
        actor="ann",
        role="finance",
    )
    for _ in range(3):
        later(cloud, minutes=2)
    book = cloud.wechat_pay.book_of(number)
    assert (book["shared_fen"], book["refunded_fen"]) == (0, 3_900)
    assert guest.status(order_id) == "refunded"


def test_shipping_is_reported_to_wechat_when_a_guest_is_served(
    cloud: LocalCloud, guest: Guest
) -> None:
    order_id = bought(cloud, guest)
    for step in ("accept", "prepare", "ready"):
        internal(guest.client, step, order_id=order_id, actor="cook")
    later(cloud, minutes=2)
    found = cloud.database.collection("orders").find_one({"_id": order_id})
    assert found is not None
    assert found["shipping"] == "done"
    shipping = cloud.mini_program.shipped()[found["tenders"][0]["transaction_id"]]
    assert shipping["payer"] == {"openid": guest.openid}


def test_a_paid_order_has_a_card_at_wechat(cloud: LocalCloud, guest: Guest) -> None:
    order_id = bought(cloud, guest)
    later(cloud, minutes=2)
    found = cloud.database.collection("orders").find_one({"_id": order_id})
    assert found is not None
    assert found["card"] == "done"
    (card,) = cloud.mini_program.cards()[found["tenders"][0]["transaction_id"]]
    assert (card["cur_status"], card["product_count"]) == (1, 1)
    assert order_id in card["wxa_path_query"]


def test_the_timer_finds_a_payment_and_completes_the_order(cloud: LocalCloud, guest: Guest) -> None:
    cloud.set_wechat_pay_mode({"copies": 0})
    order_id = guest.order()
    guest.client.pay(guest.openid, guest.prepay(order_id))
    later(cloud, minutes=2)  # No notice and no call came: the timer asked WeChat Pay.
    orders = cloud.database.collection("orders")
    eventually(lambda: (orders.find_one({"_id": order_id}) or {}).get("status") == "paid")
    later(cloud, days=1)
    assert guest.status(order_id) == "completed"


def test_the_command_finds_the_errors_put_into_a_days_bill(cloud: LocalCloud, guest: Guest) -> None:
    one, two, three = (bought(cloud, guest) for _ in range(3))
    internal(
        guest.client,
        "refund",
        order_id=three,
        refund_id=f"R{three}",
        reason="test",
        actor="ann",
        role="finance",
    )
    eventually(lambda: guest.status(three) == "refunded")
    day = cloud.clock.now().astimezone().date().isoformat()
    plant = cloud.wechat_pay.plant
    planted = {
        "payment unknown to us": plant("unknown_payment", day)["number"],
        "fee": plant("fee", day, f"{one}n1")["number"],
        "payment amount": plant("amount", day, f"{two}n1")["number"],
        "refund missing in bill": plant("lost_refund", day, f"R{three}")["number"],
    }
    later(cloud, days=1)
    done = command(cloud, "reconcile", "--day", day)
    assert done.returncode == 1, done.stderr
    found = command(cloud, "differences", "list", "--day", day)
    differences = {(d["kind"], d["reference"]) for d in json.loads(found.stdout)["differences"]}
    assert set(planted.items()) <= differences
    ours = [d for d in differences if any(o in d[1] for o in (one, two, three))]
    assert len(ours) == 3  # These orders have no other differences.


def command(cloud: LocalCloud, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/huitou", "pay", *words, "--json"],
        cwd=ROOT,
        env={**os.environ, "HUITOU_DATA": str(cloud.data)},
        timeout=120,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("kind", "status"), [("signtest", 401), ("tag", 401), ("amount", 400)])
def test_a_forged_notice_is_refused(
    cloud: LocalCloud, guest: Guest, kind: str, status: int
) -> None:
    order_id = guest.order()
    guest.prepay(order_id)
    answer = cloud.forge_notice(kind, f"{order_id}n1")
    assert (answer["status"], answer["answer"]["code"]) == (status, "FAIL")
    assert guest.status(order_id) == "paying"
