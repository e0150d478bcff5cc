"""Who may merge two members: with the codes of both, alone within a limit, or with a second person.

A merge gives one person the log-in, points and orders of another account, and can't be undone. So
an account is merged at once only if it shows its code in the mini-program. One that can't, because
only the till knows it, is merged by one person alone while it holds few points. Everything else
waits a day, in which both members are told and anybody of the staff may reject it, and is then
approved by a second person.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from pymongo.client_session import ClientSession

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.points.service import Points
from huitou.members.profiles.models import Member
from huitou.members.profiles.service import Members
from huitou.operations.merges.errors import MERGE, MergeErrors
from huitou.operations.merges.models import (
    DecideMergeRequest,
    Merge,
    MergeAnswer,
    MergeMembersRequest,
    MergesAnswer,
    MergesRequest,
    MergeStatus,
    WaitingMerge,
)
from huitou.operations.merges.moving_service import Moving
from huitou.operations.merges.proofs import is_proof
from huitou.operations.merges.repository import MergeRepository
from huitou.operations.merges.rules import allows, check, is_of_till_only, same
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

WAITS = timedelta(days=1)  # So long a merge waits before a second person may approve it.


class Merges:
    """`key` is that of the members' codes; without it no code is right."""

    def __init__(self, database: Database, clock: Clock, brand_id: str, key: bytes = b"") -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._merges = MergeRepository(database)
        self._moving = Moving(database, clock, brand_id)
        self._members = Members(database, clock, brand_id)
        self._persons = Persons(database)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._notices = Notices(database, clock)

    def merge_members(self, request: MergeMembersRequest) -> MergeAnswer:
        """Move all that one member has to another, at once or once a second person approves.

        Afterwards the person logs in with both identities. Orders move too, with the points set
        aside for them: whatever happens to them later happens in the account that goes on. Raises
        Refusal NOT_FOUND, MERGE_SAME_MEMBER, MERGED_ELSEWHERE, MERGE_TWO_PHONES, MERGE_TOO_MANY
        or MERGE_ID_REUSED.
        """
        return self._database.transact_once(lambda session: self._ask(request, session)).shown()

    def decide_merge(self, request: DecideMergeRequest) -> MergeAnswer:
        """Approve or reject a merge that waits; if two people decide at once, one loses.

        Raises Refusal NOT_FOUND, MERGE_NOT_YOURS, MERGE_TOO_EARLY, MERGE_DECIDED, or what
        `merge_members` raises if the members have changed since.
        """
        return self._database.transact(lambda session: self._decide(request, session)).shown()

    def list_merges(self, request: MergesRequest) -> MergesAnswer:
        """Return a page of merges of one status, the newest first."""
        found, after = self._merges.page(request)
        names = WaitingMerge.model_fields.keys() - {"merge_id"}
        return MergesAnswer(
            merges=[
                WaitingMerge(merge_id=one.id, **{name: getattr(one, name) for name in names})
                for one in found
            ],
            next=after,
        )

    def get_merge(self, merge_id: str) -> Merge:
        """Return a merge; raises Refusal NOT_FOUND naming `merge_id`."""
        return _found(self._merges.find(merge_id))

    def finish_old_merge(self, source_id: str) -> bool:
        """Move what the version before left with a merged member; False if nothing is left.

        That version left orders, and what they held, with the old id; and it kept no list of ids.
        """
        into_id = self._persons.current_id(source_id)
        if into_id is None or source_id in self._persons.ids_of(into_id):
            return False
        merge = Merge(
            id=f"upgrade-{source_id}",
            from_member=source_id,
            into_member=into_id,
            actor="upgrade",
            reason="升级",
            at=self._clock.now(),
        )

        def write(session: ClientSession) -> bool:
            source, into = self._members.get_members_to_merge(source_id, into_id, session)
            self._moving.move_all(merge, source, into, session)
            return True

        return self._database.transact(write)

    def _ask(self, request: MergeMembersRequest, session: ClientSession) -> Merge:
        known = self._merges.find(request.merge_id, session)
        if known is not None:
            return same(known, request)
        source, into = self._members.get_members_to_merge(
            request.from_member, request.into_member, session
        )
        check(source, into)
        fields = request.model_dump(include={"from_member", "into_member", "actor", "reason"})
        merge = Merge(id=request.merge_id, at=self._clock.now(), **fields)
        codes = ((source, request.from_code), (into, request.into_code))
        now = time.time()
        unproved = [m for m, code in codes if not is_proof(self._key, m.id, code, now)]
        alone = self._alone(unproved, merge, session) if unproved else merge
        if alone is None:
            return self._wait(merge, session)
        merge = self._moving.move_all(alone, source, into, session)
        self._merges.insert(merge, session)
        return merge

    def _alone(self, unproved: list[Member], merge: Merge, session: ClientSession) -> Merge | None:
        """Return the merge as one that its actor makes alone; None if it needs a second person.

        Its place is unique. If one person makes two merges at once, the second one runs again and
        counts the first.
        """
        points, day = 0, brand_day(merge.at)
        for member in unproved:
            coupons = self._coupons.count_unused(member.id, session)
            has_wechat = self._members.has_wechat(member.id, session)
            if not is_of_till_only(member, coupons, has_wechat=has_wechat):
                return None
            points += max(0, self._points.open_book(member.id, session).held)
        before = self._merges.alone(merge.actor, day, session)
        if not allows(self._points.rules().adjust_limit_points, points, before):
            return None
        place = f"{day}#{len(before) + 1}"
        return merge.model_copy(update={"day": day, "place": place, "alone_points": points})

    def _wait(self, merge: Merge, session: ClientSession) -> Merge:
        waiting: MergeStatus = "awaiting_approval"
        not_before = merge.at + WAITS
        merge = merge.model_copy(update={"status": waiting, "not_before": not_before})
        self._merges.insert(merge, session)
        day = brand_day(not_before)
        no_data: Mapping[str, str | int] = {}
        told = [(one, day, no_data) for one in (merge.from_member, merge.into_member)]
        self._notices.put_notices("merge-asked", told, session)
        return merge

    def _decide(self, request: DecideMergeRequest, session: ClientSession) -> Merge:
        merge = _found(self._merges.find(request.merge_id, session))
        wanted: MergeStatus = "merged" if request.approve else "rejected"
        if merge.status != "awaiting_approval":
            if (merge.status, merge.decided_by) == (wanted, request.actor):
                return merge
            raise Refusal(MergeErrors.MERGE_DECIDED, field="merge_id")
        now = self._clock.now()
        decided = {"status": wanted, "decided_by": request.actor, "decided_at": now}
        if request.approve:
            if merge.actor == request.actor:
                raise Refusal(MergeErrors.MERGE_NOT_YOURS, field="actor")
            if merge.not_before is not None and now < merge.not_before:
                moment = merge.not_before.astimezone(ZoneInfo(BRAND_ZONE))
                raise Refusal(
                    MergeErrors.MERGE_TOO_EARLY, field="merge_id", detail=f"{moment:%m-%d %H:%M}"
                )
            source, into = self._members.get_members_to_merge(
                merge.from_member, merge.into_member, session
            )
            check(source, into)
            merge = self._moving.move_all(merge, source, into, session)
        merge = merge.model_copy(update=decided)
        if not self._merges.decide(merge, session):
            raise Refusal(MergeErrors.MERGE_DECIDED, field="merge_id")
        return merge


def _found(merge: Merge | None) -> Merge:
    if merge is None:
        raise Refusal(Code.NOT_FOUND, field="merge_id", detail=MERGE)
    return merge
