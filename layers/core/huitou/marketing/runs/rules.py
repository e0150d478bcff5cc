"""Which runs are due, how workers share the members, and whom a campaign must pass over."""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE
from huitou.catalog.stores.rules import day_bounds, days_between, shifted
from huitou.marketing.audiences.models import required
from huitou.marketing.audiences.rules import Profile, belongs, is_minor, is_personalised
from huitou.marketing.campaigns.models import Campaign, CampaignState
from huitou.marketing.campaigns.rules import ends_of, exposure_id, is_supper, meets_on, slot
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.deliveries.rules import Occasion
from huitou.marketing.runs.models import PassedOver, Run, Waiting

MOST_DAYS = 40  # So many days are planned after an outage; older ones are too late anyway.
PART_MEMBERS = 50_000  # If the chain has more members, each part has about so many.
MOST_PARTS = 32
_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"  # The letters of member ids, as they sort.
A_NIGHT = timedelta(hours=12)
LOOK_BACK = timedelta(hours=1)  # Some events are written late: the last hour is read again.


def parts(members: int) -> list[tuple[str, str]]:
    """Return ranges of ids that divide the members evenly: low end included, high end not.

    It works because ids are random. The first range begins before every id, the last one ends
    behind every id.
    """
    count = 1
    while count < MOST_PARTS and members > count * PART_MEMBERS:
        count *= 2
    bounds = [f"m{_LETTERS[len(_LETTERS) * number // count]}" for number in range(1, count)]
    return list(zip(["", *bounds], [*bounds, "\U0010ffff"], strict=True))


def runs_due(
    campaign: Campaign,
    planned_to: str | None,
    started_at: datetime,
    now: datetime,
    today: str,
    members: int,
    zones: Iterable[str],
) -> list[Run]:
    """Return the runs of all days that have come due since `planned_to`; stale ones are skipped.

    A day whose time came before the campaign was started gets no run. `members` is how many the
    chain has, `zones` are the time zones in which they may be.
    """
    first = max(campaign.valid_from.isoformat(), shifted(planned_to or today, 1))
    first = max(first, shifted(today, -MOST_DAYS))
    last = min(campaign.valid_until.isoformat(), shifted(today, 1))
    found = []
    for day in days_between(first, last) if first <= last else []:
        due_at = slot(day, campaign.send_at)
        wanted = _is_for(campaign, day)
        if due_at > now:
            break
        if not wanted or due_at < started_at:
            continue
        stale = is_stale(campaign, day, due_at, now, zones)
        ranges = (
            [("", "\U0010ffff")]
            if stale or TRIGGERS[campaign.trigger.kind].undivided
            else (parts(members))
        )
        found += [
            Run(
                id=f"{campaign.id}:{day}:{number}",
                campaign_id=campaign.id,
                day=day,
                part=number,
                low=low,
                high=high,
                due_at=due_at,
                status="skipped" if stale else "due",
            )
            for number, (low, high) in enumerate(ranges)
        ]
    return found


def last_planned(campaign: Campaign, now: datetime, today: str) -> str:
    """Return the last day whose `send_at` has come."""
    tomorrow = shifted(today, 1)
    days = [tomorrow, today, shifted(today, -1)]
    return next(day for day in days if slot(day, campaign.send_at) <= now or day < today)


def _is_for(campaign: Campaign, day: str) -> bool:
    if TRIGGERS[campaign.trigger.kind].once:
        return day == campaign.valid_from.isoformat()
    return meets_on(campaign.trigger, day)


def is_stale(
    campaign: Campaign, day: str, due_at: datetime, now: datetime, zones: Iterable[str]
) -> bool:
    """Tell whether a day's run is too late for members in all of these time zones."""
    return all(ends_of(campaign, day, due_at, zone).worth(now) is None for zone in zones)


def month_days_of(day: str) -> list[str]:
    """Return the birthdays (MM-DD) celebrated on a day.

    In a year without 29 February that birthday is celebrated on the 28th.
    """
    on = date.fromisoformat(day)
    days = [day[5:]]
    return [*days, "02-29"] if day[5:] == "02-28" and not isleap(on.year) else days


def narrowed(campaign: Campaign) -> tuple[str, Sequence[str]] | None:
    """Return the feature, and its values, by which an index finds the members of an audience.

    None if there is no such feature: then every member must be looked at.
    """
    for leaf in required(campaign.audience):
        if leaf.feature in ("usual_store", "tag"):
            return leaf.feature, leaf.among
        if leaf.feature == "night_guest" and leaf.is_so:
            return "night_guest", ()
    return None


def passed_over(
    campaign: Campaign, profile: Profile | None, occasion: str, today: str
) -> PassedOver | None:
    """Return why a member gets nothing from a campaign; None if nothing speaks against it.

    Every message passes this check, however its occasion was found. The occasion may no longer
    hold, after a night of waiting or in the seconds since it was found.
    """
    kind = TRIGGERS[campaign.trigger.kind]
    if profile is None:
        return "gone"
    if kind.is_left and profile.features.last_order_day != occasion:
        return "came back"
    if kind.of_first_order and profile.features.first_order_at is None:
        return "over"  # The first order was refunded completely.
    if not profile.marketing:
        return "no consent"
    if is_minor(profile.member, today):
        return "minor"
    personal = kind.personal or is_personalised(campaign.audience)
    if personal and not profile.personalised:
        return "not personalised"
    if is_supper(campaign.window) and not profile.features.night_guest:
        return "not a night guest"
    return None if belongs(profile, campaign.audience, today) else "not in the audience"


def resumed_at(state: CampaignState) -> datetime:
    """Return when a campaign was last started. It ignores what happened before."""
    return max(change.at for change in state.changes if change.to == "running")


def met_now(campaign: Campaign, member_id: str, occasion: str, at: datetime) -> Occasion:
    """Return an occasion that was found now, and until when it is worth a message."""
    return Occasion(member_id, occasion, met_at=at, ends=ends_of(campaign, "", at))


def is_past(campaign: Campaign, now: datetime) -> bool:
    """Tell whether a campaign's last day is over. It may still send what it found before."""
    return now >= day_bounds(campaign.valid_until.isoformat(), BRAND_ZONE, BRAND_CUT)[1]


def may_wait(campaign: Campaign) -> bool:
    """Tell whether an occasion is worth a message after a night.

    If not, it is sent at once or never, and doesn't count as missed.
    """
    kind = TRIGGERS[campaign.trigger.kind]
    return kind.of_a_day or kind.late >= A_NIGHT


def waiting_for(campaign_id: str, occasion: Occasion, due_at: datetime) -> Waiting:
    """Return the record of an occasion that waits until `due_at`."""
    ends = occasion.ends
    return Waiting(
        id=exposure_id(campaign_id, occasion.member_id, occasion.occasion),
        campaign_id=campaign_id,
        member_id=occasion.member_id,
        occasion=occasion.occasion,
        due_at=due_at,
        met_at=occasion.met_at or due_at,
        over=ends.over if ends else None,
        late_over=ends.late_over if ends else None,
    )
