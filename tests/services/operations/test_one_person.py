"""One person with two ids: after a merge, whatever asks by member id follows the person."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from friends import SET, Friends
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.transfers.service import Gifts
from huitou.insight.kpis.models import ReportRequest
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.earning.service import Bonuses
from huitou.loyalty.rewards.models import ExchangeRequest
from huitou.loyalty.rewards.service import Mall
from huitou.loyalty.statements.service import Statements
from huitou.ordering.orders.models import InvoiceRequest, Order
from huitou.payments.refunds.models import AskRefundRequest
from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from huitou.runtime.paging import PageRequest
from localcloud.keys import LocalSecrets, load_secrets
from merging import merged
from paying import PayingShop

PAGE = PageRequest(limit=50)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def paying(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    return PayingShop(chain, clock, keys, tmp_path)


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def merge(shop: Shop, source: str, into: str) -> None:
    merged(shop.database, shop.clock, source, into)


# --- orders ------------------------------------------------------------------------------------


def before_payment(shop: PayingShop, one: str, other: str) -> Order:
    order = shop.order(one)
    merge(shop, one, other)
    shop.confirm(other, order, "one")
    shop.let_happen()
    return order


def while_it_is_paid(shop: PayingShop, one: str, other: str) -> Order:
    """The notice of the payment comes after the merge."""
    order = shop.order(one)
    shop.confirm(one, order, "one")
    merge(shop, one, other)
    assert shop.let_happen() == ["paid"]
    return order


def once_it_is_paid(shop: PayingShop, one: str, other: str) -> Order:
    order = shop.bought(one, "one")
    merge(shop, one, other)
    return order


def through_a_third(shop: PayingShop, one: str, other: str) -> Order:
    order, third = shop.bought(one, "one"), shop.register("third")
    merge(shop, one, third)
    merge(shop, third, other)
    return order


@pytest.mark.parametrize(
    "happens", [before_payment, while_it_is_paid, once_it_is_paid, through_a_third]
)
def test_an_order_of_either_id_is_the_persons_whenever_they_are_merged(
    paying: PayingShop, happens: Any
) -> None:
    one, other = paying.register("one"), paying.register("other")
    order = happens(paying, one, other)
    for name in ("one", "other"):  # Both WeChats are the same person now.
        member_id = paying.members.member_id_of(Caller(name, paying.keys.appid))
        assert paying.payments.show_order(member_id, order.id).status == "paid"
    listed = paying.orders.list_orders(other, PAGE).orders
    assert [shown.order_id for shown in listed] == [order.id]
    invoice = InvoiceRequest(order_id=order.id, title="张三")
    assert paying.fulfilment.ask_invoice(other, invoice).invoice is not None
    assert paying.payments.cancel_order(other, order.id).refund_status == "refunding"
    paying.let_happen()
    paying.timers()
    assert paying.orders.get_order(order.id).status == "refunded"
    paying.everything_agrees()


@pytest.mark.parametrize("payer", ["one", "other"])
def test_wechat_is_told_of_a_handover_under_the_openid_that_paid(
    paying: PayingShop, payer: str
) -> None:
    one, other = paying.register("one"), paying.register("other")
    order = paying.order(one)
    merge(paying, one, other)
    paying.confirm(other, order, payer)
    paying.let_happen()
    now = paying.orders.get_order(order.id)
    appid = paying.keys.appid
    assert paying.members.openid_of(now.placed_by or now.member_id, appid) == payer
    assert now.status == "paid"


def test_a_refund_that_is_asked_for_after_the_merge_takes_the_points_from_the_person(
    paying: PayingShop,
) -> None:
    one, other = paying.register("one"), paying.register("other")
    order = paying.bought(one, "one", items=[item(4)])
    paying.settlement.settle_order(order.id)
    merge(paying, one, other)
    assert paying.account(other)["available"] == 60
    for step in ("accepted", "preparing"):
        paying.fulfilment.take_step(order.id, step, "till-1")  # type: ignore[arg-type]
    own = paying.orders.own_order(other, order.id)
    asked = paying.refunds.ask_refund(
        own, AskRefundRequest(order_id=order.id, lines=[], reason="等太久")
    )
    assert asked.status == "awaiting_approval"
    paying.refund(order)
    paying.settlement.settle_order(order.id)
    assert (paying.account(other)["available"], paying.account(one)["available"]) == (0, 0)
    assert paying.differences() == []


def test_the_same_call_to_order_before_and_after_a_merge_is_one_order(shop: Shop) -> None:
    one, other = shop.register("one"), shop.register("other")
    request = shop.request(one)
    order = shop.orders.create_order(one, request)
    merge(shop, one, other)
    assert shop.orders.create_order(other, request).id == order.id
    assert shop.database.collection("orders").count_documents({"member_id": other}) == 1


def test_an_unpaid_order_is_cancelled_after_the_merge_and_frees_what_it_held(
    paying: PayingShop,
) -> None:
    one, other = paying.register("one"), paying.register("other")
    paying.give_points(one, 1_000)
    before = paying.account(one)["available"]
    order = paying.order(one, items=[item(20)], points=300)
    stale = paying.orders.get_order(order.id)  # A worker has read it when the merge comes.
    merge(paying, one, other)
    assert paying.orders.begin_closing_order(stale)
    assert paying.orders.cancel_order(stale)
    assert paying.account(other)["available"] == before
    assert paying.differences() == []


# --- figures -----------------------------------------------------------------------------------


def test_the_repurchase_rate_sees_one_person(shop: Shop) -> None:
    """Two orders of one person on two days are a repurchase, whichever id placed them."""
    z1, z2 = shop.register("z1"), shop.register("z2")
    kpis = Kpis(shop.database, shop.clock)
    for member_id, days in ((z1, 0), (z2, 10)):
        shop.clock.advance(days=days)
        shop.paid(member_id)
    kpis.roll_up_figures(60)
    shop.clock.advance(days=25)
    as_of = ReportRequest(as_of=date(2026, 4, 6))

    def rate() -> tuple[int, int, int]:
        kpis.roll_up_figures(60)
        found = kpis.report_figures(as_of)
        return found["repurchase_cohort"], found["repurchased"], found["orders_30d"]

    assert rate() == (1, 0, 1)
    merge(shop, z1, z2)
    assert rate() == (1, 1, 1)
    new = kpis.report_figures(ReportRequest(as_of=date(2026, 3, 2)))["new_members"]
    assert new == 1  # Both registered that day: one person did.


def test_log_ins_of_both_ids_make_one_active_member(shop: Shop) -> None:
    one, other = shop.register("one"), shop.register("other")
    kpis = Kpis(shop.database, shop.clock)
    shop.clock.advance(days=32)
    for name in ("one", "other", "one"):
        shop.register(name)
        shop.clock.advance(days=1)
    kpis.roll_up_figures(60)
    as_of = ReportRequest(as_of=date(2026, 4, 5))
    assert kpis.report_figures(as_of)["active_members"] == 0
    merge(shop, one, other)
    kpis.roll_up_figures(60)
    assert kpis.report_figures(as_of)["active_members"] == 1


# --- limits: a merge opens no second door --------------------------------------------------------


def template(shop: Shop, **changes: Any) -> CouponTemplate:
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    made = CouponTemplate.model_validate(found | changes)  # type: ignore[operator]
    shop.database.collection("coupon_templates").replace_one({"_id": made.id}, made.document())
    return made


@pytest.mark.parametrize(
    "limits",
    [
        {"limits": {"per_member": 2}},
        {"limits": {"per_member_day": 2}},
        {"limits": {"per_member_month": 2}},
    ],
)
def test_a_members_limit_counts_the_coupons_of_all_ids(shop: Shop, limits: dict[str, Any]) -> None:
    made, coupons = template(shop, **limits), Coupons(shop.database, shop.clock)
    one, other = shop.register("one"), shop.register("other")
    for number, member_id in enumerate((one, one, other)):
        assert coupons.issue_coupon(made, member_id=member_id, cause=f"c{number}")
    merge(shop, one, other)
    assert coupons.try_issue_coupon(made, member_id=other, cause="c9")[1] == "limit_reached"


def test_a_cause_that_names_the_member_has_one_coupon_for_the_person(shop: Shop) -> None:
    made, coupons = template(shop), Coupons(shop.database, shop.clock)
    one, other = shop.register("one"), shop.register("other")
    assert coupons.issue_coupon(made, member_id=one, cause=f"birthday:{one}:2026")
    merge(shop, one, other)
    cause = f"birthday:{other}:2026"
    assert coupons.issue_coupon(made, member_id=other, cause=cause) is None
    assert coupons.issue_coupons(made, {cause: other}) == {cause: "issued_before"}


def test_one_person_checks_in_once_a_day_and_exchanges_within_the_limit(shop: Shop) -> None:
    one, other = shop.register("one"), shop.register("other")
    bonuses = Bonuses(shop.database, shop.clock)
    assert bonuses.check_in(one).outcome == "awarded"
    shop.give_points(one, 2_000)
    items = shop.database.collection("mall_items")
    found = items.find_one({"listed": True, "points": {"$lte": 2_000}})
    assert found
    items.update_one({"_id": found["_id"]}, {"$set": {"per_member": 1}})
    mall = Mall(shop.database, shop.clock)
    wanted = ExchangeRequest(item_id=found["_id"], exchange_id="exchange-1")
    got = mall.exchange_points(one, wanted)
    merge(shop, one, other)
    assert bonuses.check_in(other).outcome == "awarded_before"
    assert mall.exchange_points(other, wanted).coupon == got.coupon  # A repeated call.
    with pytest.raises(Refusal) as refused:
        mall.exchange_points(other, wanted.model_copy(update={"exchange_id": "exchange-2"}))
    assert refused.value.code.name == "MALL_LIMIT_REACHED"
    assert shop.differences() == []


# --- what others hold of the person --------------------------------------------------------------


def test_a_gift_link_of_the_old_id_still_gives_the_coupon(shop: Shop) -> None:
    made = template(shop, transferable=True)
    one, other, friend = (shop.register(name) for name in ("one", "other", "friend"))
    coupon = Coupons(shop.database, shop.clock).issue_coupon(made, member_id=one, cause="c1")
    assert coupon
    gifts = Gifts(shop.database, shop.clock, b"k" * 32)
    gift = gifts.give_coupon(one, coupon.id).gift
    merge(shop, one, other)
    assert gifts.take_gift(friend, gift).coupon_id == coupon.id
    assert gifts.take_gift(friend, gift).coupon_id == coupon.id  # A repeated call.
    with pytest.raises(Refusal):
        gifts.take_gift(other, gift)


def test_an_inviter_keeps_friends_code_and_rewards_after_a_merge(
    chain: Database, clock: FakeClock
) -> None:
    friends = Friends(chain, clock)
    bob, ann2 = friends.bring("bob"), friends.shop.register("ann-2")
    friends.first_order(bob)
    friends.settle()
    merge(friends.shop, friends.ann, ann2)
    carol = friends.bring("carol")  # With the code that is printed on an old poster.
    shown = friends.referrals.show_own_referrals(ann2, PAGE, "zh")
    assert len(shown["friends"]) == 2
    friends.first_order(carol)
    friends.settle()
    clock.advance(hours=25)
    friends.settle()
    assert (friends.points(ann2), friends.points(friends.ann)) == (100, 0)
    assert friends.referrals.show_own_referrals(ann2, PAGE, "zh")["friends_rewarded"] == 2


@pytest.mark.parametrize("last_code", ["old", "new"])
def test_friends_of_both_ids_complete_one_set_and_one_of_them_breaks_it(
    chain: Database, clock: FakeClock, last_code: str
) -> None:
    friends = Friends(chain, clock)
    friends.rules(invite_set=SET)
    ann2 = friends.shop.register("ann-2")
    codes = {"old": friends.code, "new": friends.referrals.personal_code(ann2)}

    def order_of(name: str, code: str) -> Order:
        order = friends.first_order(friends.bring(name, code), items=[item(len(name))])
        friends.settle()
        clock.advance(hours=26)
        friends.settle()
        return order

    order = order_of("b", codes["old"])
    order_of("bb", codes["old"])
    merge(friends.shop, friends.ann, ann2)
    assert friends.coupons(ann2) == []
    order_of("bbb", codes[last_code])
    assert friends.coupons(ann2) == ["issued"]
    order_of("bbbb", codes["old"])
    assert friends.coupons(ann2) == ["issued"]  # A fourth friend begins the next set.
    friends.shop.refund(order)
    friends.shop.settlement.settle_order(order.id)
    friends.settle()
    assert friends.coupons(ann2) == ["revoked"]


def test_an_invited_member_who_is_merged_before_the_first_order_still_brings_the_reward(
    chain: Database, clock: FakeClock
) -> None:
    friends = Friends(chain, clock)
    bob, other = friends.bring("bob"), friends.shop.register("bob-2")
    merge(friends.shop, bob, other)
    friends.first_order(other)
    friends.settle()
    clock.advance(hours=25)
    assert friends.settle() == ["settled"]
    assert (friends.points(friends.ann), friends.points(other)) == (50, 50)


def test_a_statement_shows_the_movements_of_all_ids_page_by_page(shop: Shop) -> None:
    one, other = shop.register("one"), shop.register("other")
    for member_id in (one, other, one, other):
        shop.clock.advance(hours=1)
        shop.paid(member_id)
    merge(shop, one, other)
    statements, seen, after = Statements(shop.database, shop.clock), [], None
    while True:
        page = statements.list_movements(other, PageRequest(limit=2, after=after), "zh")
        seen += page.entries
        after = page.next
        if after is None:
            break
    earned = [entry for entry in seen if entry.kind == "earn"]
    assert len(earned) == 4
    assert len({entry.entry_id for entry in seen}) == len(seen) == 6  # With the pair of the merge.
    assert [entry.at for entry in seen] == sorted((e.at for e in seen), reverse=True)


def test_an_old_id_leads_to_the_person(shop: Shop) -> None:
    a, b, c = (shop.register(name) for name in "abc")
    merge(shop, a, b)
    merge(shop, b, c)
    persons = Persons(shop.database)
    assert [persons.current_id(one) for one in (a, b, c, "nobody")] == [c, c, c, None]
    assert persons.ids_of(c) == [c, b, a]


def test_a_merge_and_an_order_at_the_same_moment_leave_no_order_behind(shop: Shop) -> None:
    """The order is moved, or refused; it never stays with an id that is gone."""
    orders = shop.database.collection("orders")
    for number in range(6):
        one, other = shop.register(f"one-{number}"), shop.register(f"other-{number}")
        request = shop.request(one)
        at_once(
            [
                lambda o=one, i=other: merge(shop, o, i),  # type: ignore[misc]
                lambda o=one, r=request: shop.orders.create_order(o, r),  # type: ignore[misc]
            ]
        )
        assert orders.find_one({"member_id": one}) is None
    assert shop.differences() == []
