"""Report what a campaign has changed, and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.coupons.issuing.rules import coupon_id
from huitou.loyalty.points.service import Points
from huitou.marketing.campaigns.rules import HOLDOUT
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.measurement.models import (
    Effect,
    EffectAnswer,
    GroupFigures,
    Metric,
    SeenExposure,
)
from huitou.marketing.measurement.repository import EffectRepository
from huitou.marketing.measurement.rules import ALPHA, Outcomes, effect, enough, verdict
from huitou.marketing.runs.skipped_service import Skipped
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang

AT_ONCE = 1_000  # Members whose orders are read together.
METRICS: tuple[Metric, ...] = ("repurchase", "orders", "revenue_fen")


@dataclass
class Group:
    """The running counts of one group."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    outcomes: dict[Metric, Outcomes] = field(
        default_factory=lambda: {metric: Outcomes() for metric in METRICS}
    )


class Effects:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = EffectRepository(database)
        self._campaigns = Campaigns(database, clock)
        self._points = Points(database, clock)
        self._skipped = Skipped(database, clock)

    def report_effects(self, campaign_id: str, lang: Lang = "zh") -> EffectAnswer:
        """Compare the members who got messages with the hold-out, as of now.

        A member is observed from the first message on, or from when the hold-out would have got
        it, for the campaign's `effect_days`. Members for whom these days aren't over don't count,
        nor do people who were in the hold-out with one id and got messages with another. What
        their gifts cost counts.
        Raises Refusal NOT_FOUND for an unknown campaign.
        """
        shown = self._campaigns.show_campaign(campaign_id)
        campaign = shown["content"]
        groups: dict[str, Group] = defaultdict(Group)
        cost_fen = 0
        exposures = self._repository.exposures(campaign_id)
        while members := list(islice(exposures, AT_ONCE)):
            cost_fen += self._count(members, groups, campaign.effect_days)
        treated = _sum_of([found for name, found in groups.items() if name != HOLDOUT])
        holdout = groups.get(HOLDOUT, Group())
        effects = list(_effects(groups, treated, holdout))
        orders = next((e for e in effects if (e.metric, e.group) == ("orders", "all")), None)
        observed = treated.outcomes["orders"].count
        waiting = sum(g.counts["members"] - g.outcomes["orders"].count for g in groups.values())
        return EffectAnswer(
            campaign_id=campaign_id,
            name=campaign.name,
            status=shown["campaign"]["status"],
            effect_days=campaign.effect_days,
            groups=[_figures(name, groups[name]) for name in sorted(groups)],
            effects=effects,
            incremental_orders=round(orders.difference * observed, 1) if orders else None,
            incremental_orders_low=round(orders.low * observed, 1) if orders else None,
            incremental_orders_high=round(orders.high * observed, 1) if orders else None,
            cost_fen=cost_fen,
            skipped=self._skipped.skipped_days(campaign_id),
            verdict=verdict(
                treated.outcomes["repurchase"],
                holdout.outcomes["repurchase"],
                campaign.effect_days,
                waiting,
                lang,
            ),
        )

    def _count(self, members: list[list[SeenExposure]], groups: dict[str, Group], days: int) -> int:
        """Count these members, each with their exposures, in their groups.

        Returns what their gifts cost, in fen.
        """
        firsts = [mine[0] for mine in members]
        today = brand_day(self._clock.now())
        first_day = min(first.day for first in firsts)
        last_day = shifted(max(first.day for first in firsts), days)
        orders = defaultdict(list)
        for order in self._repository.following(
            [first.member_id for first in firsts],
            min(first.at for first in firsts),
            first_day,
            last_day,
        ):
            orders[order.member_id].append(order)
        coupons = [_coupon(e) for mine in members for e in mine if e.gift_kind == "coupon"]
        redeemed = self._repository.redeemed(coupons)
        points = 0
        for mine in members:
            first, group = mine[0], groups[mine[0].group]
            if _in_both(mine):  # Two ids of one person: nothing can be told from them.
                group = Group()
            group.counts["members"] += 1
            for exposure in mine:
                gift = exposure.gift_kind is not None and exposure.delivery == "done"
                group.counts["messages"] += exposure.delivery == "done"
                group.counts["pushed"] += exposure.push == "sent"
                group.counts["opened"] += exposure.opened_at is not None
                group.counts["gifts"] += gift
                group.counts["redeemed"] += _coupon(exposure) in redeemed
                points += (exposure.gift_points or 0) if gift else 0
            if shifted(first.day, days) >= today:
                continue
            after = [
                o
                for o in orders[first.member_id]
                if o.created_at > first.at and o.business_day <= shifted(first.day, days)
            ]
            group.outcomes["repurchase"].add(1.0 if after else 0.0)
            group.outcomes["orders"].add(len(after))
            group.outcomes["revenue_fen"].add(sum(order.counted_fen for order in after))
        return sum(redeemed.values()) + points * self._points.rules().point_value_fen


def _in_both(mine: list[SeenExposure]) -> bool:
    """Tell whether a person was in the hold-out under one id and got messages under another."""
    return len({exposure.group == HOLDOUT for exposure in mine}) == 2


def _coupon(exposure: SeenExposure) -> str:
    return coupon_id(f"campaign:{exposure.id}")


def _sum_of(groups: list[Group]) -> Group:
    """Return the outcomes of several groups as those of one."""
    found = Group()
    for group in groups:
        for metric, outcomes in group.outcomes.items():
            total = found.outcomes[metric]
            total.count += outcomes.count
            total.total += outcomes.total
            total.squares += outcomes.squares
            total.positive += outcomes.positive
    return found


def _effects(groups: dict[str, Group], treated: Group, holdout: Group) -> Iterator[Effect]:
    left_alone = holdout.outcomes["repurchase"]
    if enough(treated.outcomes["repurchase"], left_alone):
        for metric in METRICS:
            yield effect(metric, "all", treated.outcomes[metric], holdout.outcomes[metric])
    variants = sorted(name for name in groups if name != HOLDOUT)
    if len(variants) < 2:
        return
    for name in variants:
        variant = groups[name].outcomes["repurchase"]
        if enough(variant, left_alone):
            # The comparisons share the 5 %: all of them together are wrong in 5 % of cases.
            yield effect("repurchase", name, variant, left_alone, ALPHA / len(variants))


def _figures(name: str, group: Group) -> GroupFigures:
    complete = group.outcomes["orders"].count

    def mean(metric: Metric, digits: int) -> float | None:
        return round(group.outcomes[metric].mean, digits) if complete else None

    counted = {
        key: group.counts[key]
        for key in ("members", "messages", "pushed", "opened", "gifts", "redeemed")
    }
    return GroupFigures(
        group=name,
        **counted,
        complete=complete,
        repurchase_rate=mean("repurchase", 4),
        orders_per_member=mean("orders", 4),
        revenue_fen_per_member=mean("revenue_fen", 1),
    )
