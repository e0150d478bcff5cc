"""Registration, log-in, profile and phone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.catalog.stores.rules import brand_day
from huitou.loyalty.birthdays.rules import birthday_from
from huitou.members.profiles.errors import MEMBER, ProfileErrors
from huitou.members.profiles.repository import MOST_MOVES_COUNTED, MemberRepository
from huitou.members.profiles.rules import (
    check_birthday,
    friend_code,
    is_possible,
    may_celebrate_twice,
    member_id_from,
    network_of,
    phone_hash,
    phone_identity,
    wechat_identity,
)
from huitou.persons.ids.errors import PersonErrors
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal, Unavailable
from huitou.runtime.identity import Caller
from huitou.runtime.loading import late_imports
from huitou.runtime.logs import log

if TYPE_CHECKING:
    from huitou.coupons.issuing.models import ShownCoupon

with late_imports():
    from huitou.coupons.issuing.service import Coupons
    from huitou.loyalty.points.service import Points
    from huitou.loyalty.tiers.service import Tiers
    from huitou.members.profiles.models import (
        CorrectBirthdayRequest,
        CorrectedBirthday,
        Member,
        PhoneMove,
        ShownPhoneMove,
        UpdateProfileRequest,
    )


class PhoneNumbers(Protocol):
    """Turns a member's single-use code into their phone number."""

    def phone_number(self, code: str) -> str:
        """Return the number in international form; Refusal PHONE_CODE_INVALID otherwise."""


PHONE_STAYS = timedelta(days=1)  # A number that moved stays so long, so that nobody plays with it.

# Binds a new member to the friend whose code they came with. It takes the member's id, the scene,
# the hash of their network and the registration's transaction; False if the code is nobody's.
Bind = Callable[[str, str, str | None, ClientSession], bool]


class Members:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._brand_id = brand_id
        self._members = MemberRepository(database)
        self._persons = Persons(database)

    # A log-in and every other call of a member come through here, and most need none of these.

    @cached_property
    def _points(self) -> Points:
        return Points(self._database, self._clock)

    @cached_property
    def _tiers(self) -> Tiers:
        return Tiers(self._database, self._clock)

    @cached_property
    def _coupons(self) -> Coupons:
        return Coupons(self._database, self._clock)

    def member_id_of(self, caller: Caller) -> str:
        """Return the caller's member id; Refusal NOT_REGISTERED before the first log-in."""
        member_id = self._members.known_as(wechat_identity(caller.appid, caller.openid))
        if member_id is None:
            raise Refusal(Code.NOT_REGISTERED)
        return member_id

    def is_or_was_member(self, caller: Caller, member_id: str) -> bool:
        """Tell whether the caller is this member, or was before a merge.

        An order that was paid before the merge still has the old member id.
        """
        identity = self._members.identity(wechat_identity(caller.appid, caller.openid))
        return identity is not None and member_id in (identity.member_id, *(identity.before or ()))

    def openid_of(self, member_id: str, appid: str) -> str | None:
        """Return the member's OpenID in one mini-program, to be sent to WeChat; None if unknown.

        After a merge, the old member id still leads to the OpenID it had before the merge, and the
        new member id leads first to its own.
        """
        named = wechat_identity(appid, "")
        names = self._members.identities_of(member_id)
        found = [name for name in names if name.id.startswith(named)]
        found.sort(key=lambda name: (member_id not in (name.before or ()), bool(name.before)))
        return next((name.id[len(named) :] for name in found), None)

    def current_member_id(self, member_id: str) -> str | None:
        """Return the id under which this member is known now, after merges; None if unknown."""
        return self._persons.current_id(member_id)

    def get_member(self, member_id: str) -> Member:
        """Return a member; Refusal NOT_REGISTERED if there is none."""
        return self._member(member_id)

    def get_members_to_merge(
        self, source_id: str, into_id: str, session: ClientSession
    ) -> tuple[Member, Member]:
        """Return two members who are to be merged; Refusal NOT_FOUND naming the unknown one.

        The field is `from_member` or `into_member`.
        """
        found = []
        for field, member_id in (("from_member", source_id), ("into_member", into_id)):
            member = self._members.find(member_id, session)
            if member is None:
                raise Refusal(Code.NOT_FOUND, field=field, detail=MEMBER)
            found.append(member)
        return found[0], found[1]

    def has_wechat(self, member_id: str, session: ClientSession) -> bool:
        """Tell whether the member logs in with a WeChat of their own."""
        return self._members.has_wechat(member_id, session)

    def hand_over_identities(self, source: Member, into: Member, session: ClientSession) -> int:
        """Move every identity of one member to another one, in a merge; returns how many.

        Phone, birthday and nickname move, too, if the other member has none.
        """
        return self._members.hand_over(source, into, session)

    def login(
        self, caller: Caller, scene: str | None, key: bytes = b"", bind: Bind | None = None
    ) -> dict[str, Any]:
        """Log in, and register the first time; log-ins count once for each business day.

        If a new member came with a friend's code, `bind` binds them to that friend, and the answer
        has `invited`. Without `bind` (the chain has no referrals) nobody is bound. `key` is for
        hashing the caller's network address. Raises Refusal SCENE_UNKNOWN naming `scene`.
        """
        identity = wechat_identity(caller.appid, caller.openid)
        now = self._clock.now()
        today = brand_day(now)
        member_id = self._members.known_as(identity)
        registered, invited = member_id is None, False
        if member_id is None:
            network = network_of(caller.address, key) if key else None
            member_id, registered, invited = self._register(identity, scene, today, network, bind)
        member_id = self._record_login(identity, member_id, today, now)
        answer = {"member_id": member_id, "registered": registered}
        return answer | ({"invited": True} if invited else {})

    def _record_login(self, identity: str, member_id: str, day: str, now: datetime) -> str:
        """Store the day's first log-in; returns the id under which the member is known now.

        The transaction writes the member, so a merge that runs at the same time moves the log-in
        or sends us to the new id. Somebody who is erased in this moment tries again and registers.
        """
        for _ in range(2):
            if self._members.has_login(member_id, day):
                return member_id
            insert = partial(self._members.record_login, member_id, day, now)
            try:
                self._persons.insert_for(member_id, insert)
            except Refusal as gone:
                log("login_repeated", reason=gone.code.name)
            else:
                return member_id
            member_id = self._members.known_as(identity) or member_id
        raise Unavailable

    def _register(
        self,
        identity: str,
        scene: str | None,
        today: str,
        network: str | None,
        bind: Bind | None,
    ) -> tuple[str, bool, bool]:
        by_friend = friend_code(scene) is not None
        store_id = None
        if scene is not None and not by_friend:
            store_id = self._coupons.find_scene(scene).store_id
        member = Member(
            id=member_id_from(secrets.token_bytes(15)),
            brand_id=self._brand_id,
            registered_at=self._clock.now(),
            registered_day=today,
            registered_store_id=store_id,
            registered_scene=scene,
        )

        def write(session: ClientSession) -> bool:
            self._members.insert(member, identity, session)
            self._points.open_accounts([member.id], session)
            return bind is not None and by_friend and bind(member.id, scene or "", network, session)

        try:
            invited = self._database.transact(write)
        except DuplicateKeyError:
            winner = self._members.known_as(identity)
            if winner is None:
                raise
            return winner, False, False
        return member.id, True, invited

    def forget_member(
        self, member_id: str, ids: Sequence[str], at: datetime, session: ClientSession
    ) -> None:
        """Delete a person's identities and personal data under all their ids, in an erasure.

        Raises Refusal NOT_FOUND or MERGED_ELSEWHERE naming `member_id`.
        """
        member = self._members.find(member_id, session)
        if member is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=MEMBER)
        if member.merged_into is not None:
            raise Refusal(PersonErrors.MERGED_ELSEWHERE, field="member_id")
        self._members.forget(ids, member.erased_at or at, session)

    def forget_empty_members(
        self, member_ids: Sequence[str], import_id: str, at: datetime, session: ClientSession
    ) -> None:
        """Delete the identities of members who have nothing, and note which import is undone."""
        self._members.forget(member_ids, at, session)
        self._members.mark_undone(member_ids, import_id, session)

    def show_profile(self, member_id: str, lang: Lang = "zh") -> dict[str, Any]:
        """Return the member's own profile, tier and points."""
        member = self._member(member_id)
        return {
            "member_id": member_id,
            "nickname": member.nickname,
            "birthday": member.birthday,
            "phone_last4": member.phone_last4,
            "registered_day": member.registered_day,
            "tier": self._tiers.show_tier(member_id, lang),
            "points": self._points.show_points(member_id),
        }

    def update_profile(
        self, member_id: str, request: UpdateProfileRequest, lang: Lang = "zh"
    ) -> dict[str, Any]:
        """Change the member's own profile; a birthday that was said can be corrected once.

        Raises Refusal BIRTHDAY_IMPOSSIBLE, BIRTHDAY_OF_MINOR, BIRTHDAY_FIXED (it was corrected) or
        BIRTHDAY_LATER (a correction now could bring the gifts of a year twice).
        """
        changes = request.model_dump(mode="json", exclude_none=True)
        birthday = changes.pop("birthday", None)
        if birthday is not None and birthday != self._member(member_id).birthday:
            self._set_birthday(member_id, birthday)
        if changes:
            self._persons.insert_for(
                member_id, lambda session: self._members.update(member_id, changes, session)
            )
        return self.show_profile(member_id, lang)

    def correct_birthday(self, request: CorrectBirthdayRequest) -> CorrectedBirthday:
        """Correct a birthday for a member who can't any more; staff can do it once.

        Raises Refusal BIRTHDAY_NOT_SAID, BIRTHDAY_FIXED (staff have corrected it before),
        BIRTHDAY_LATER, BIRTHDAY_IMPOSSIBLE or BIRTHDAY_OF_MINOR naming `birthday`.
        """
        if self._member(request.member_id).birthday is None:
            raise Refusal(ProfileErrors.BIRTHDAY_NOT_SAID, field="birthday")
        self._set_birthday(request.member_id, request.birthday.isoformat(), request.actor)
        return CorrectedBirthday(member_id=request.member_id)

    def count_persons(self, member_ids: Sequence[str]) -> int:
        """Count the persons behind these ids: merged ids, and holders of one phone, are one."""
        now = self._persons.current_ids(member_ids)
        ids = set(now.values())
        heads = {one: one for one in ids}

        def head(one: str) -> str:
            while heads[one] != one:
                one = heads[one]
            return one

        for move in self._members.phone_moves(sorted(ids | set(now)), MOST_MOVES_COUNTED):
            giver, taker = (now.get(one, one) for one in (move.from_member, move.to_member))
            if giver in heads and taker in heads:
                heads[head(giver)] = head(taker)
        return len({head(one) for one in ids})

    def list_phone_moves(self, member_id: str) -> list[ShownPhoneMove]:
        """Return how phone numbers went from the member or came to them, also before a merge."""
        ids = self._persons.ids_of(member_id)
        return [
            ShownPhoneMove(
                at=move.at,
                way="to_other" if move.from_member in ids else "from_other",
                other_member=move.to_member if move.from_member in ids else move.from_member,
            )
            for move in self._members.phone_moves(ids)
        ]

    def _set_birthday(self, member_id: str, birthday: str, by: str | None = None) -> None:
        today, member = brand_day(self._clock.now()), self._member(member_id)
        check_birthday(birthday, today)
        before = member.birthday
        # A birthday that nobody can have, from before we checked, brings no gifts to lose.
        corrects = before is not None and is_possible(before, today)
        if before == birthday:
            return
        used = member.birthday_corrected if by is None else member.birthday_corrected_by
        if corrects and used:
            raise Refusal(ProfileErrors.BIRTHDAY_FIXED, field="birthday")
        if corrects and may_celebrate_twice(str(before), birthday, member.birthday_said_on, today):
            following_year = f"{int(today[:4]) + 1}-01-01"
            raise Refusal(ProfileErrors.BIRTHDAY_LATER, field="birthday", detail=following_year)
        month_day = birthday[5:]
        following = birthday_from(month_day, self._tiers.today())

        def write(session: ClientSession) -> bool:
            self._persons.touch(member_id, session)
            if not self._members.set_birthday(
                member, birthday, today, session, corrects=corrects, by=by
            ):
                return False
            self._tiers.put_birthday(member_id, month_day, following, session)
            return True

        if not self._database.transact(write) and self._member(member_id).birthday != birthday:
            raise Refusal(ProfileErrors.BIRTHDAY_FIXED, field="birthday")

    def bind_phone(
        self, member_id: str, code: str, numbers: PhoneNumbers, key: bytes
    ) -> dict[str, Any]:
        """Bind the phone number of a single-use code; a phone is bound to one member only.

        WeChat vouches for the number's holder. So a number that another member has, because
        somebody else had it before, moves to the caller; the other member loses the number and
        nothing else. The number itself is not stored, only its keyed hash and its last four digits.
        Raises Refusal PHONE_CODE_INVALID, or PHONE_BOUND_ELSEWHERE if the number moved less than a
        day ago; both name `code`.
        """
        phone = numbers.phone_number(code)
        hashed, last4 = phone_hash(phone, key), phone[-4:]
        identity, now = phone_identity(hashed), self._clock.now()

        def write(session: ClientSession) -> None:
            self._persons.touch(member_id, session)
            member = self._members.find(member_id, session)
            holder = self._members.identity(identity, session)
            if member is None or (holder is not None and holder.member_id == member_id):
                return
            if holder is not None:
                if holder.moved_at is not None and now < holder.moved_at + PHONE_STAYS:
                    raise Refusal(ProfileErrors.PHONE_BOUND_ELSEWHERE, field="code")
                move = PhoneMove(
                    id=secrets.token_hex(12),
                    from_member=holder.member_id,
                    to_member=member_id,
                    at=now,
                )
                self._members.move_phone(holder, hashed, move, session)
            moved_at = now if holder is not None else None
            self._members.bind_phone(member, identity, hashed, last4, moved_at, session)

        # If two members bind the same new number at once, the slower one finds the faster one.
        self._database.transact_once(write)
        return {"phone_last4": last4}

    def issue_welcome_coupon(self, member_id: str, scene: str) -> ShownCoupon:
        """Issue the welcome coupon of a scanned code, once for each phone number.

        Raises Refusal PHONE_REQUIRED if the member has not bound a phone.
        """
        member = self._member(member_id)
        if member.phone_hash is None:
            raise Refusal(ProfileErrors.PHONE_REQUIRED)
        return self._coupons.issue_welcome_coupon(member_id, member.phone_hash, scene)

    def _member(self, member_id: str) -> Member:
        member = self._members.find(member_id)
        if member is None:
            raise Refusal(Code.NOT_REGISTERED)
        return member
