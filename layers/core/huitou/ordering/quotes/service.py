"""Prices a member's cart: reads all facts once, finds the best combination, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from huitou.catalog.menu.service import Menu
from huitou.catalog.stores.models import Store
from huitou.catalog.stores.rules import business_day
from huitou.coupons.issuing.errors import COUPON, CouponErrors
from huitou.coupons.issuing.rules import MOST_HELD, rule_for, subject_of
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.points.errors import ACCOUNT
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.ordering.orders.rules import check_points, most_points
from huitou.ordering.quotes.models import (
    MAX_LINES,
    MemberOffer,
    NextStep,
    OfferRevision,
    Price,
    PriceInputs,
)
from huitou.ordering.quotes.repository import PricingRepository
from huitou.ordering.quotes.rules import (
    cart_lines,
    next_step_in_words,
    offered_lines,
    price,
    priced_lines,
    words,
)
from huitou.ordering.quotes.weighing import weigh
from huitou.promotions.best_price import search
from huitou.promotions.best_price.next_step import MOST_STEPS, MOST_STEPS_OF_ALL, next_step
from huitou.promotions.discounts.models import CartLine, Line, Outcome, Reason, Rule
from huitou.promotions.offers.models import Limits
from huitou.promotions.offers.rules import Compiled
from huitou.promotions.offers.service import Offers
from huitou.promotions.quotas.models import FIRST_ORDER, UNLIMITED, Blocked, Left, OrderUse, Use
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.coupons.issuing.models import Coupon
    from huitou.ordering.orders.quote_models import QuotedCoupon, QuoteRequest

_BUDGETED, _ONCE = Limits.model_construct(budget_fen=1), Limits.model_construct(per_member=1)
_PLENTY = Left(UNLIMITED, UNLIMITED)
MOST_SEARCHES = 3  # So often a quote searches without the offers whose budget isn't enough.


@dataclass(frozen=True)
class Facts:
    """All facts from which a member's price at one store and moment follows; read once a quote."""

    store: Store
    lines: list[Line]
    offer: MemberOffer
    available: int
    inputs: PriceInputs
    compiled: Compiled
    coupons: list[Coupon]  # Those that the request names, or all that the member holds.
    left: dict[str, Left]  # What is left of quotas and budgets, by subject.


class Pricing:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = PricingRepository(database)
        self._menu = Menu(database)
        self._points = Points(database, clock)
        self._tiers = Tiers(database, clock)
        self._coupons = Coupons(database, clock)
        self._offers = Offers(database, clock)
        self._limiter = Limiter(database, clock)

    def read_facts(
        self,
        member_id: str,
        cart: QuoteRequest,
        store: Store,
        at: datetime,
        *,
        with_all_coupons: bool,
    ) -> Facts:
        """Read the facts of a price, with the named coupons or with all that the member holds.

        Raises Refusal naming a field of the cart that the menu doesn't have, and NOT_FOUND for a
        member without an account.
        """
        wanted = None if with_all_coupons else cart.named_coupons
        read = self._repository.read(
            member_id, store.id, {item.dish_id for item in cart.items}, wanted
        )
        if read is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        lines = priced_lines(cart.items, self._menu.offered_dishes_of_rows(read.store_dishes))
        level, revision = self._tiers.level_of_standing(read.standing)
        purchased = self._points.spendable_points_of(read.account)
        offer = MemberOffer(
            level=level, tier_rules_revision=revision, points=cart.points,
            points_rules=self._points.rules(),
        )  # fmt: skip
        day = business_day(at, store.zone, store.cut_time)
        compiled = self._offers.compiled_offers(datetime.fromisoformat(day).date())
        blocked, left = self._limiter.blocked_subjects(
            member_id, _possible(compiled, read.coupons, first_order=purchased.first_order)
        )
        inputs = PriceInputs(
            day=datetime.fromisoformat(day).date(),
            clock=at.astimezone(ZoneInfo(store.zone)).strftime("%H:%M"),
            store_id=store.id,
            mode=cart.mode,
            channel="mini_program",
            level=level,
            tier_rules_revision=revision,
            first_order=purchased.first_order and FIRST_ORDER not in blocked,
            stacking_revision=compiled.stacking.revision,
            offers=[OfferRevision(id=o.id, revision=o.revision) for o in compiled.offers.values()],
            blocked=_by_source(blocked, compiled, read.coupons),
            delivery_fen=store.delivery_fee_fen if cart.mode == "delivery" else 0,
            points=cart.points,
            points_rules_revision=offer.points_rules.revision,
            most_steps=search.MOST_STEPS,
        )
        return Facts(store, lines, offer, purchased.available, inputs, compiled, read.coupons, left)

    def combine_named(
        self, member_id: str, facts: Facts, coupon_ids: list[str], at: datetime, lang: Lang = "zh"
    ) -> Outcome:
        """Return the best price that uses all these coupons and no others.

        Raises Refusal NOT_FOUND for a coupon that doesn't exist or is another member's, and
        COUPON_NOT_USABLE with the reason for the first coupon that doesn't fit.
        """
        found = {coupon.id: coupon for coupon in facts.coupons if coupon.member_id == member_id}
        missing = [coupon_id for coupon_id in coupon_ids if coupon_id not in found]
        if missing:  # The facts may hold usable coupons only, and MOST_HELD of them at most.
            more = [
                one for one in self._coupons.find_coupons(missing) if one.member_id == member_id
            ]
            found |= {coupon.id: coupon for coupon in more}
            facts.coupons.extend(more)
        if not found.keys() >= set(coupon_ids):
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail=COUPON)
        rules = [rule_for(found[name], at, facts.store, must=True) for name in coupon_ids]
        outcome = _affordable(facts, rules)
        taken = {one.rule.source_id for one in outcome.taken}
        if not all(coupon_id in taken for coupon_id in coupon_ids):
            raise Refusal(
                CouponErrors.COUPON_NOT_USABLE, field="coupon_id",
                detail=words(_why_not_these(outcome, coupon_ids), lang),
            )  # fmt: skip
        return outcome

    def find_best_combination(self, facts: Facts, at: datetime) -> Outcome:
        """Return the best price with any of the member's coupons."""
        rules = [rule_for(coupon, at, facts.store) for coupon in facts.coupons]
        outcome = _affordable(facts, rules)
        # With MOST_HELD coupons read, the member may hold more that were not tried.
        outcome.proved = outcome.proved and len(facts.coupons) < MOST_HELD
        return outcome

    def usable_coupons(self, facts: Facts, at: datetime) -> list[str]:
        """Return the coupons that a price at that moment could use; they are its inputs."""
        store = facts.store
        return [coupon.id for coupon in facts.coupons if rule_for(coupon, at, store).out is None]

    def build_price(self, facts: Facts, outcome: Outcome, lang: Lang = "zh") -> Price:
        """Put the price together; Refusal naming `points` if so many points aren't allowed."""
        offer = facts.offer
        most = most_points(offer.points_rules, facts.available, outcome.items_fen)
        check_points(offer.points_rules, offer.points, most)
        return price(facts.lines, outcome, offer, facts.inputs.delivery_fen, lang)

    def build_quoted_price(
        self, facts: Facts, outcome: Outcome, named: Sequence[str] | None, at: datetime, lang: Lang
    ) -> Price:
        """Put the price together, with a hint what a little more would bring.

        `named` are the coupons that the member chose, None if the search could use all of them.
        """
        price = self.build_price(facts, outcome, lang)
        next_step = self._next_step(facts, outcome, named, at, lang)
        return price.model_copy(update={"next_step": next_step})

    def _next_step(
        self, facts: Facts, outcome: Outcome, named: Sequence[str] | None, at: datetime, lang: Lang
    ) -> NextStep | None:
        near = any(why.code in ("short", "few_pieces") for _, why in outcome.unused)
        if not near or len(facts.lines) >= MAX_LINES:
            return None
        menu = self._menu.list_recently_offered_dishes(facts.store.id)
        coupons = [one for one in facts.coupons if named is None or one.id in named]
        store, is_named = facts.store, named is not None
        rules = [rule_for(coupon, at, store, must=is_named) for coupon in coupons]

        steps_left = MOST_STEPS_OF_ALL

        def priced(cart: Sequence[CartLine]) -> Outcome:
            nonlocal steps_left
            if steps_left <= 0:
                return replace(outcome, proved=False)
            steps = min(MOST_STEPS, steps_left)
            found = weigh(cart, facts.inputs, facts.compiled, rules, most_steps=steps)
            # To find out which offers meet the cart takes time, too, before the first step.
            steps_left -= found.steps + len(facts.compiled.offers) * len(cart) // 50
            over = any(
                use.fen > facts.left.get(use.subject, _PLENTY).fen for use in uses_of(found, facts)
            )
            # If the cart with more in it costs less, its points must still be allowed.
            most = most_points(facts.offer.points_rules, facts.available, found.items_fen)
            return replace(found, proved=False) if over or facts.offer.points > most else found

        lines = cart_lines(facts.lines)
        further = next_step(lines, outcome, offered_lines(menu), priced)
        return next_step_in_words(further, menu, lang) if further else None

    def price_again(self, lines: list[Line], inputs: PriceInputs) -> Price:
        """Price an order's lines again from its inputs, with offers and coupons as they were then.

        Coupons have the terms with which they were issued; a coupon deleted since is left out.
        """
        offers = ((offer.id, offer.revision) for offer in inputs.offers)
        compiled = self._offers.offers_as_they_were(offers, inputs.stacking_revision)
        rules = [
            Rule(
                "coupon", coupon.id, coupon.template_revision, coupon.name, coupon.terms,
                coupon.group, borne_by=coupon.borne_by, soonest=coupon.valid_until.isoformat(),
                kin=coupon.template_id, must=inputs.named,
            )
            for coupon in self._coupons.find_coupons(inputs.coupon_ids)
        ]  # fmt: skip
        outcome = weigh(cart_lines(lines), inputs, compiled, rules, inputs.most_steps)
        offer = MemberOffer(
            level=inputs.level, tier_rules_revision=inputs.tier_rules_revision,
            points=inputs.points,
            points_rules=self._points.rules_of_revision(inputs.points_rules_revision),
        )  # fmt: skip
        return price(lines, outcome, offer, inputs.delivery_fen)


def _possible(compiled: Compiled, coupons: Sequence[Coupon], *, first_order: bool) -> list[Use]:
    """Return the uses whose limits might block this price."""
    uses = [Use(subject=offer.subject, limits=offer.limits) for offer in compiled.limited]
    templates = {coupon.template_id for coupon in coupons if coupon.budgeted}
    uses += [Use(subject=subject_of(name), limits=_BUDGETED) for name in sorted(templates)]
    asked = compiled.for_first_order or any(coupon.terms.first_order for coupon in coupons)
    if first_order and asked:
        uses.append(Use(subject=FIRST_ORDER, limits=_ONCE))
    return uses


def _by_source(
    blocked: Mapping[str, Blocked], compiled: Compiled, coupons: Sequence[Coupon]
) -> dict[str, str]:
    found: dict[str, str] = {
        offer.id: blocked[offer.subject] for offer in compiled.limited if offer.subject in blocked
    }
    return found | {
        coupon.id: blocked[subject_of(coupon.template_id)]
        for coupon in coupons
        if subject_of(coupon.template_id) in blocked
    }


def _affordable(facts: Facts, rules: Sequence[Rule]) -> Outcome:
    """Find the best combination in which no offer takes more off than its budget has left.

    An offer that does is blocked and the search runs again. The inputs keep what was blocked,
    since the price follows from it too. After MOST_SEARCHES every offer is blocked whose budget
    might not be enough, and the answer isn't exact: five hundred offers with little left would
    take as many searches.
    """
    searches = 0
    while True:
        searches += 1
        outcome = weigh(cart_lines(facts.lines), facts.inputs, facts.compiled, rules)
        budgets = {use.source_id: use for use in uses_of(outcome, facts)}
        over = {
            name: "used_up" for name, use in budgets.items()
            if use.fen > facts.left.get(use.subject, _PLENTY).fen
        }  # fmt: skip
        if not over:
            outcome.proved = outcome.proved and searches <= MOST_SEARCHES
            return outcome
        facts.inputs.blocked.update(over)
        if searches == MOST_SEARCHES:
            for name in _perhaps_over(facts, rules):
                facts.inputs.blocked.setdefault(name, "used_up")


def _perhaps_over(facts: Facts, rules: Sequence[Rule]) -> list[str]:
    """Return the offers and unnamed coupons whose budget has less left than the cart costs."""
    most_fen = sum(line.quantity * line.unit_fen for line in cart_lines(facts.lines))
    most_fen += facts.inputs.delivery_fen
    subjects = {offer.id: offer.subject for offer in facts.compiled.limited}
    chosen = {rule.source_id for rule in rules if rule.must}
    subjects |= {
        coupon.id: subject_of(coupon.template_id)
        for coupon in facts.coupons
        if coupon.budgeted and coupon.id not in chosen
    }
    return [
        name
        for name, subject in subjects.items()
        if facts.left.get(subject, _PLENTY).fen < most_fen
    ]


def uses_of(outcome: Outcome, facts: Facts) -> list[OrderUse]:
    """Return the uses that an order at this price counts against limits."""
    coupons = {coupon.id: coupon for coupon in facts.coupons}
    uses, first = [], False
    for one in outcome.taken:
        rule, limits, subject = one.rule, Limits(), ""
        first = first or rule.terms.first_order
        if rule.source == "offer":
            offer = facts.compiled.offers[rule.source_id]
            limits, subject = offer.limits, offer.subject
        elif rule.source == "coupon" and coupons[rule.source_id].budgeted:
            limits, subject = _BUDGETED, subject_of(coupons[rule.source_id].template_id)
        if limits.any:
            uses.append(OrderUse(source_id=rule.source_id, subject=subject,
                                 amount_fen=one.amount_fen, limits=limits))  # fmt: skip
    if first:
        uses.append(OrderUse(source_id=FIRST_ORDER, subject=FIRST_ORDER, limits=_ONCE))
    return uses


def quoted_coupons(held: Sequence[Coupon], best: Outcome, lang: Lang = "zh") -> list[QuotedCoupon]:
    """Return what each coupon takes off in the best combination, or why it doesn't fit the cart.

    A coupon that is only left out for a better combination fits: the member may name it instead.
    """
    off = {one.rule.source_id: one.amount_fen for one in best.taken}
    reasons = {
        rule.source_id: words(reason, lang)
        for rule, reason in best.unused
        if reason.code not in ("dearer", "not_together")
    }
    return [
        QuotedCoupon(
            coupon_id=coupon.id, name=coupon.name, valid_until=coupon.valid_until,
            why_not=reasons.get(coupon.id), off_fen=off.get(coupon.id, 0),
        )
        for coupon in held
    ]  # fmt: skip


def _why_not_these(outcome: Outcome, coupon_ids: list[str]) -> Reason:
    """Return why the named coupons can't all be used: the first reason that one of them has.

    If none has a reason of its own, each fits alone, but not all of them fit together.
    """
    reasons = (why for rule, why in outcome.unused if rule.source_id in coupon_ids)
    return next((why for why in reasons if why.code != "dearer"), Reason("not_together"))
