"""Every query on `members`, `identities`, `logins` and `phone_moves`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.members.profiles.rules import phone_identity
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.loading import late_imports
from huitou.runtime.triggers import DUE

with late_imports():
    from huitou.members.profiles.models import Identity, Member, PhoneMove

# What a member who goes on takes over in a merge, where they have none.
_TAKEN_OVER = ("phone_hash", "phone_last4", "nickname")
_BIRTHDAY = ("birthday", "birthday_said_on", "birthday_corrected", "birthday_corrected_by")
MOST_MOVES = 20  # Of phone numbers, shown with one member.
MOST_MOVES_COUNTED = 2_000


class MemberRepository:
    def __init__(self, database: Database) -> None:
        self._members = database.collection("members")
        self._identities = database.collection("identities")
        self._logins = database.collection("logins")
        self._moves = database.collection("phone_moves")

    def known_as(self, identity: str) -> str | None:
        """Return the id of the member with this identity; None if nobody has it."""
        found = self._identities.find_one({"_id": identity}, {"member_id": 1})
        return str(found["member_id"]) if found else None

    def identity(self, name: str, session: ClientSession | None = None) -> Identity | None:
        found = self._identities.find_one({"_id": name}, session=session)
        return Identity.model_validate(found) if found else None

    def identities_of(self, member_id: str) -> list[Identity]:
        """Return the identities that name the member now, or named them before a merge."""
        either = {"$or": [{"member_id": member_id}, {"before": member_id}]}
        found = self._identities.find(either).limit(20)
        return [Identity.model_validate(identity) for identity in found]

    def has_wechat(self, member_id: str, session: ClientSession) -> bool:
        """Tell whether the member logs in with a WeChat of their own."""
        named = {"member_id": member_id, "_id": {"$regex": "^wx:"}}
        return self._identities.find_one(named, {"_id": 1}, session=session) is not None

    def hand_over(self, source: Member, into: Member, session: ClientSession) -> int:
        """Move the identities of one member to another one, in a merge; returns how many.

        Both members are written. If one of them is merged with a third member or binds a phone at
        the same moment, the two transactions conflict, and the slower one runs again.
        """
        moved = self._identities.update_many(
            {"member_id": source.id},
            {"$set": {"member_id": into.id}, "$addToSet": {"before": source.id}},
            session=session,
        )
        gone = {"phone_hash": "", "phone_last4": ""}
        self._members.update_one(
            {"_id": source.id}, {"$set": {"merged_into": into.id}, "$unset": gone}, session=session
        )
        taken = {
            name: getattr(source, name)
            for name in (*_TAKEN_OVER, *(_BIRTHDAY if into.birthday is None else ()))
            if getattr(into, name) is None and getattr(source, name) is not None
        }
        self._members.update_one(
            {"_id": into.id},
            {
                "$inc": {"merges": 1},
                "$set": {**taken, "schema": 1},
                "$addToSet": {"merged_ids": {"$each": [source.id, *(source.merged_ids or ())]}},
            },
            session=session,
        )
        return moved.modified_count

    def forget(self, member_ids: Sequence[str], at: datetime, session: ClientSession) -> None:
        """Delete all identities and personal data of members, in an erasure.

        Each member is written. If one binds a phone or is merged at the same moment, the two
        transactions conflict.
        """
        wanted = {"$in": list(member_ids)}
        self._identities.delete_many({"member_id": wanted}, session=session)
        names = (
            "nickname",
            *_BIRTHDAY,
            "phone_hash",
            "phone_last4",
            "registered_scene",
        )
        self._members.update_many(
            {"_id": wanted},
            {"$set": {"erased_at": at}, "$unset": dict.fromkeys(names, "")},
            session=session,
        )

    def known_elsewhere(self, member_ids: Sequence[str], session: ClientSession) -> set[str]:
        """Return those of these members who have another identity than one at the till."""
        other = {"member_id": {"$in": list(member_ids)}, "_id": {"$not": {"$regex": "^till:"}}}
        found = self._identities.find(other, {"member_id": 1}, session=session)
        return {identity["member_id"] for identity in found}

    def mark_undone(
        self, member_ids: Sequence[str], import_id: str, session: ClientSession
    ) -> None:
        """Note with which import these members were taken back."""
        self._members.update_many(
            {"_id": {"$in": list(member_ids)}}, {"$set": {"undone_by": import_id}}, session=session
        )

    def insert(self, member: Member, identity: str, session: ClientSession) -> None:
        """Register a member; DuplicateKeyError if the identity is taken.

        If two first log-ins run at once, the identity's `_id` lets one through.
        """
        self._identities.insert_one(
            Identity(id=identity, member_id=member.id).document(), session=session
        )
        self._members.insert_one(member.document(), session=session)

    def known_as_many(self, identities: list[str], session: ClientSession) -> dict[str, str]:
        """Return the member ids of these identities, without those that nobody has."""
        found = self._identities.find(
            {"_id": {"$in": identities}}, {"member_id": 1}, session=session
        )
        return {identity["_id"]: identity["member_id"] for identity in found}

    def insert_many(self, members: Mapping[str, Member], session: ClientSession) -> None:
        """Register members, given by identity; DuplicateKeyError if another import was faster."""
        self._identities.insert_many(
            [Identity(id=name, member_id=member.id).document() for name, member in members.items()],
            session=session,
        )
        self._members.insert_many([m.document() for m in members.values()], session=session)

    def imported_among(self, member_ids: list[str], session: ClientSession) -> list[Member]:
        """Return those of these members that an import registered.

        Only their registration may move; a member who registered by themselves keeps their day.
        """
        found = self._members.find(
            {"_id": {"$in": member_ids}, "registered_channel": "import"}, session=session
        )
        return [Member.model_validate(document) for document in found]

    def move_registrations(self, members: list[Member], session: ClientSession) -> None:
        """Write the new registration (moment, day, store) of each member."""
        fields = {"registered_at", "registered_day", "registered_store_id"}
        self._members.bulk_write(
            [UpdateOne({"_id": m.id}, {"$set": m.model_dump(include=fields)}) for m in members],
            session=session,
        )

    def find(self, member_id: str, session: ClientSession | None = None) -> Member | None:
        found = self._members.find_one({"_id": member_id}, session=session)
        return Member.model_validate(found) if found else None

    def update(self, member_id: str, changes: dict[str, Any], session: ClientSession) -> None:
        self._members.update_one({"_id": member_id}, {"$set": changes}, session=session)

    def set_birthday(
        self,
        member: Member,
        birthday: str,
        today: str,
        session: ClientSession,
        *,
        corrects: bool,
        by: str | None = None,
    ) -> bool:
        """Set a member's birthday; False if it isn't any more as it was read (`member`).

        `by` is the person of the staff who corrects it. If two calls set one at once, the second
        one finds the first one's birthday.
        """
        was: dict[str, Any] = {"_id": member.id, "birthday": member.birthday}
        changes: dict[str, Any] = {"birthday": birthday, "birthday_said_on": today}
        if by is not None:
            was["birthday_corrected_by"] = None
            changes["birthday_corrected_by"] = by
        elif corrects:
            was["birthday_corrected"] = {"$ne": True}
            changes["birthday_corrected"] = True
        set_now = self._members.update_one(was, {"$set": changes}, session=session)
        return set_now.matched_count == 1

    def move_phone(
        self, identity: Identity, phone_hash: str, move: PhoneMove, session: ClientSession
    ) -> None:
        """Take a phone number from the member who had it, and record to whom it goes."""
        self._identities.delete_one({"_id": identity.id}, session=session)
        self._members.update_one(
            {"_id": identity.member_id, "phone_hash": phone_hash},
            {"$unset": {"phone_hash": "", "phone_last4": ""}, "$inc": {"touched": 1}},
            session=session,
        )
        self._moves.insert_one(move.document(), session=session)

    def phone_moves(self, member_ids: Sequence[str], most: int = MOST_MOVES) -> list[PhoneMove]:
        """Return the latest moves of phone numbers from these ids or to them, newest first."""
        either = [{name: {"$in": list(member_ids)}} for name in ("from_member", "to_member")]
        found = self._moves.find({"$or": either}).sort([("at", -1)]).limit(most)
        return [PhoneMove.model_validate(move) for move in found]

    def bind_phone(
        self,
        member: Member,
        identity: str,
        phone_hash: str,
        last4: str,
        moved_at: datetime | None,
        session: ClientSession,
    ) -> None:
        """Give the phone's identity to the member; DuplicateKeyError if somebody has it.

        Raises Unavailable if another call has changed the member's phone meanwhile.
        """
        if member.phone_hash:
            self._identities.delete_one({"_id": phone_identity(member.phone_hash)}, session=session)
        self._identities.insert_one(
            Identity(id=identity, member_id=member.id, moved_at=moved_at).document(),
            session=session,
        )
        # The former number is in the filter. If two calls bind a number at once, one of them
        # fails here, so that no identity is left over for a number the member doesn't have.
        bound = self._members.update_one(
            {"_id": member.id, "phone_hash": member.phone_hash},
            {"$set": {"phone_hash": phone_hash, "phone_last4": last4}},
            session=session,
        )
        if bound.matched_count == 0:
            raise Unavailable

    def has_login(self, member_id: str, business_day: str) -> bool:
        """Tell whether the member's log-in of a business day is stored."""
        return self._logins.find_one({"_id": f"{member_id}:{business_day}"}, {"_id": 1}) is not None

    def record_login(
        self, member_id: str, business_day: str, at: datetime, session: ClientSession
    ) -> None:
        """Store a log-in; DuplicateKeyError if the member has one on this business day."""
        login = {
            "_id": f"{member_id}:{business_day}",
            "schema": 1,
            "member_id": member_id,
            "business_day": business_day,
            "at": at,
            "rollup": DUE,
        }
        self._logins.insert_one(login, session=session)
