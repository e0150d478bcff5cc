"""Tell members something, once: places of their day, gifts, pushes, and their inbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Protocol

from pymongo.client_session import ClientSession

from huitou.campaigns.rules import HOLDOUT, exposure_id
from huitou.consents.service import Consents
from huitou.coupons.rules import coupon_id
from huitou.coupons.service import Coupons
from huitou.earning.service import Bonuses
from huitou.exposures.models import Exposure, OpenMessageRequest
from huitou.exposures.repository import ExposureRepository
from huitou.exposures.rules import (
    Occasion,
    Sending,
    Told,
    exposure_for,
    looks_back_to,
    place_for,
)
from huitou.messages.models import MessageRules
from huitou.messages.rules import BUSY, CONSENT_GONE, field_values, fitted
from huitou.messages.service import Messages
from huitou.points.models import RuleRef
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.paging import PageRequest

PUSHES_AT_ONCE = 200
SENDERS = 8  # Calls to WeChat under way at the same time.
PUSH_WITHIN = timedelta(hours=3)  # A push that waited longer is left to the inbox.
ABANDONED_AFTER = timedelta(minutes=15)


class Exposures:
    """Occasions written down, each with its place, group, gift and words."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = ExposureRepository(database)
        self._coupons = Coupons(database, clock)
        self._bonuses = Bonuses(database, clock)
        self._consents = Consents(database, clock)
        self._messages = Messages(database)

    def new(self, campaign_id: str, occasions: Sequence[Occasion]) -> list[Occasion]:
        """Return those occasions that weren't served yet, each once."""
        named = {exposure_id(campaign_id, o.member_id, o.occasion): o for o in occasions}
        known = self._repository.known(list(named))
        return [occasion for name, occasion in named.items() if name not in known]

    def tell(
        self,
        sending: Sending,
        occasions: Sequence[Occasion],
        most: Callable[[int], int] = lambda wanted: wanted,
    ) -> Counter[str]:
        """Tell these members, as far as the limits let; returns what came of how many.

        `most` is asked how many more the campaign may tell in all. A worker that is killed on the
        way leaves what was written down to `deliver_due`.
        """  # fmt: skip
        campaign = sending.campaign
        members = [occasion.member_id for occasion in occasions]
        since = looks_back_to(campaign, sending.day)
        told = Told.of(self._repository.recent(members, since), campaign.id)
        ever: Counter[str] = Counter()
        if campaign.limits.per_member is not None:
            ever = self._repository.counted(campaign.id, members)
        exposures, taken = [], set()
        for occasion in occasions:
            member_id = occasion.member_id
            place = place_for(sending, told, member_id, ever[member_id])
            # One occasion of a member at a time: the next one is looked at with this one told.
            if place is not None and member_id not in taken:
                taken.add(member_id)
                exposures.append(exposure_for(sending, occasion, place))
        capped = len(occasions) - len(exposures)
        allowed = most(len(exposures))
        written = self._repository.insert(exposures[:allowed])
        found = [exposure for exposure in exposures[:allowed] if exposure.id in written]
        outcomes = Counter(exposure.group for exposure in found)
        outcomes["capped"] += capped
        outcomes["over the total"] += len(exposures) - allowed
        outcomes["told elsewhere"] += allowed - len(found)
        self._deliver([exposure for exposure in found if exposure.group != HOLDOUT], sending)
        return +outcomes

    def deliver_due(self, sending: Callable[[Exposure], Sending | None]) -> int:
        """Finish what a killed worker had begun; returns how many were looked at."""
        due = self._repository.delivery_due()
        held = self._consents.of([exposure.member_id for exposure in due])
        withdrawn = [e.id for e in due if not held[e.member_id]["marketing"]]
        if withdrawn:
            self._repository.mark(withdrawn, delivery="withheld")
        by_campaign: dict[tuple[str, int], list[Exposure]] = {}
        for exposure in due:
            if exposure.id in withdrawn:
                continue
            by_campaign.setdefault((exposure.campaign_id, exposure.revision), []).append(exposure)
        for exposures in by_campaign.values():
            found = sending(exposures[0])
            if found is not None:
                self._deliver(exposures, found)
        return len(due)

    def _deliver(self, exposures: Sequence[Exposure], sending: Sending) -> None:
        """Give the gifts, then let the messages be seen; each gift's cause is its exposure."""
        withheld: list[str] = []
        by_template: dict[str, list[Exposure]] = {}
        for exposure in exposures:
            if exposure.gift_kind == "coupon":
                by_template.setdefault(exposure.gift_template_id or "", []).append(exposure)
            elif exposure.gift_kind == "points":
                rule = RuleRef(
                    rule_id=f"campaign:{exposure.campaign_id}", revision=exposure.revision
                )
                self._bonuses.give(
                    exposure.member_id, exposure.gift_points or 0, exposure.gift_cause, rule
                )
        for template_id, of_it in by_template.items():
            template = sending.templates.get(template_id)
            causes = {exposure.gift_cause: exposure.member_id for exposure in of_it}
            issued = self._coupons.issue_many(template, causes) if template else {}
            given = {cause for cause, outcome in issued.items() if outcome.startswith("issued")}
            withheld += [exposure.id for exposure in of_it if exposure.gift_cause not in given]
        if withheld:
            self._repository.mark(withheld, delivery="withheld")
        there = set(withheld)
        done = [exposure for exposure in exposures if exposure.id not in there]
        pushed = self._to_push(done)
        quiet = [exposure.id for exposure in done if exposure.id not in pushed]
        if pushed:
            self._repository.mark(pushed, push="due")
        if quiet:
            self._repository.mark(quiet)

    def _to_push(self, exposures: Iterable[Exposure]) -> set[str]:
        """Those whose member agreed to a message of the template and has it still to come."""
        with_push = [e for e in exposures if e.push_template_id is not None]
        if not with_push:
            return set()
        templates = sorted({e.push_template_id or "" for e in with_push})
        left = self._messages.left([e.member_id for e in with_push], templates)
        return {e.id for e in with_push if f"{e.member_id}|{e.push_template_id}" in left}

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Let one member have the messages of another one they turned out to be."""
        self._repository.hand_over(source_id, into_id, session)


class Post(Protocol):
    """Whoever takes subscription messages to members: WeChat."""

    def send_message(
        self, openid: str, template_id: str, page: str, data: dict[str, dict[str, str]]
    ) -> int:
        """Hand one message over; returns WeChat's error code, 0 for success."""


class Pushes:
    """Subscription messages on their way: each is tried once, for it can't be taken back."""

    def __init__(
        self, database: Database, clock: Clock, post: Post, openid: Callable[[str], str | None]
    ) -> None:
        self._clock = clock
        self._post = post
        self._openid = openid
        self._repository = ExposureRepository(database)
        self._messages = Messages(database)
        self._consents = Consents(database, clock)

    def send_due(self, goes_on: Callable[[], bool]) -> Counter[str]:
        """Send what waits, several at a time, while `goes_on`; returns what came of how many."""
        outcomes: Counter[str] = Counter()
        stuck = self._repository.abandoned_pushes(self._clock.now() - ABANDONED_AFTER)
        if stuck:
            outcomes["unknown"] += stuck
        rules = self._messages.rules()
        with ThreadPoolExecutor(SENDERS) as pool:
            while goes_on():
                due = self._repository.push_due(PUSHES_AT_ONCE)
                if not due:
                    break
                held = self._consents.of([exposure.member_id for exposure in due])
                tries = pool.map(
                    lambda e: self._send(e, rules, held[e.member_id]["marketing"]),  # noqa: B023
                    due,
                )
                found = Counter(tries)
                outcomes += found
                if found["busy"]:
                    break  # WeChat wants a rest: the next run goes on.
        return outcomes

    def _send(self, exposure: Exposure, rules: MessageRules, consents: bool) -> str:
        now, template_id = self._clock.now(), exposure.push_template_id or ""
        if not self._repository.take_push(exposure.id, now):
            return "taken elsewhere"
        template, openid = rules.template(template_id), self._openid(exposure.member_id)
        if now - exposure.at > PUSH_WITHIN:
            return self._ended(exposure, "late")
        if not consents:
            return self._ended(exposure, "no_consent")
        if template is None or openid is None:
            return self._ended(exposure, "failed")
        if not self._messages.spend(exposure.member_id, template_id):
            return self._ended(exposure, "no_consent")
        data = fitted(field_values(
            template, title=exposure.title or "", body=exposure.body or "",
            gift=exposure.gift_text, until=exposure.until, brand=rules.brand_name,
        ))  # fmt: skip
        try:
            error = self._post.send_message(openid, template_id, exposure.page or "", data)
        except Unavailable:  # It may be out: nobody sends it again, and the consent may be spent.
            return self._ended(exposure, "unknown")
        if error == CONSENT_GONE:
            self._messages.none_left(exposure.member_id, template_id)
            return self._ended(exposure, "refused", error)
        if error in BUSY:
            self._messages.give_back(exposure.member_id, template_id)
            self._repository.end_push(exposure.id, "due")
            return "busy"
        if error:
            self._messages.give_back(exposure.member_id, template_id)
            return self._ended(exposure, "failed", error)
        return self._ended(exposure, "sent")

    def _ended(self, exposure: Exposure, push: Any, error: int | None = None) -> str:
        self._repository.end_push(exposure.id, push, error)
        return str(push)


class Inbox:
    """A member's messages, as the member meets them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = ExposureRepository(database)
        self._clock = clock

    def listing(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        """Return a page of the member's messages, newest first."""
        exposures, after = self._repository.inbox(member_id, page)
        return {"messages": [_shown(exposure) for exposure in exposures], "next": after}

    def open(self, member_id: str, request: OpenMessageRequest) -> dict[str, bool]:
        """Note that the member opened a message; Refusal NOT_FOUND for one that isn't theirs."""
        if not self._repository.open(request.message_id, member_id, self._clock.now()):
            raise Refusal(Code.NOT_FOUND, field="message_id", detail="message")
        return {"opened": True}


def _shown(exposure: Exposure) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "message_id": exposure.id, "title": exposure.title, "body": exposure.body,
        "page": exposure.page, "at": exposure.at, "opened": exposure.opened_at is not None,
    }  # fmt: skip
    if exposure.gift_kind == "coupon":
        shown["coupon_id"] = coupon_id(exposure.gift_cause)
    return shown
