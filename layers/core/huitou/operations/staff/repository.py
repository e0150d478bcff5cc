"""Every query on `staff`, `staff_sessions` and `sign_in_tries`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from pymongo.client_session import ClientSession

from huitou.operations.staff.models import StaffMember, StaffSession
from huitou.runtime.counters import Key, count_one, forget_counts
from huitou.runtime.database import Database, insert_new

MOST_STAFF = 5_000


class StaffRepository:
    def __init__(self, database: Database) -> None:
        self._staff = database.collection("staff")
        self._sessions = database.collection("staff_sessions")
        self._tries = database.collection("sign_in_tries")

    def find(self, staff_id: str) -> StaffMember | None:
        found = self._staff.find_one({"_id": staff_id})
        return StaffMember.model_validate(found) if found else None

    def everybody(self) -> list[StaffMember]:
        found = self._staff.find({}).sort("_id", 1).limit(MOST_STAFF)
        return [StaffMember.model_validate(one) for one in found]

    def several(self, staff_ids: Collection[str]) -> list[StaffMember]:
        """Return those of these accounts that exist."""
        found = self._staff.find({"_id": {"$in": list(staff_ids)}}).limit(len(staff_ids) or 1)
        return [StaffMember.model_validate(one) for one in found]

    def insert(self, staff: StaffMember) -> bool:
        """Add an account; False if the name is taken."""
        return insert_new(self._staff, staff.document())

    def change(
        self, staff: StaffMember, session: ClientSession | None = None, **fields: Any
    ) -> bool:
        """Change an account that was read; False if somebody has changed it in the meantime."""
        as_read = {"_id": staff.id, "revision": staff.revision}
        change = {"$set": fields, "$inc": {"revision": 1}}
        return self._staff.update_one(as_read, change, session=session).modified_count == 1

    def use_step(self, staff_id: str, step: int) -> bool:
        """Note that a time step's one-time code is used; False if this or a later one was used."""
        unused = {"_id": staff_id, "totp_step": {"$lt": step}}
        return self._staff.update_one(unused, {"$set": {"totp_step": step}}).modified_count == 1

    def rely_on_another_owner(self, staff_id: str, session: ClientSession) -> bool:
        """Tell whether another active owner exists, who can open accounts.

        This writes the other owner's document. If two owners give up their role at once and each
        relies on the other, the second transaction conflicts, runs again, and finds no other owner.
        """
        owner = {"role": "owner", "status": "active", "_id": {"$ne": staff_id}}
        relied_on = {"$inc": {"relied_on": 1}}
        return self._staff.find_one_and_update(owner, relied_on, session=session) is not None

    def has_another(self, staff_id: str, roles: Collection[str]) -> bool:
        """Tell whether somebody else with one of these roles has an active account."""
        others = {"role": {"$in": list(roles)}, "status": "active", "_id": {"$ne": staff_id}}
        return self._staff.find_one(others, {"_id": 1}) is not None

    # --- sessions (in real time, not business time) ---------------------------------------------

    def begin(self, session: StaffSession) -> None:
        self._sessions.insert_one(session.document())

    def session(self, session_id: str) -> StaffSession | None:
        found = self._sessions.find_one({"_id": session_id})
        return StaffSession.model_validate(found) if found else None

    def seen(self, session_id: str, at: datetime) -> None:
        self._sessions.update_one({"_id": session_id}, {"$set": {"seen_at": at}})

    def end(self, session_id: str) -> None:
        self._sessions.delete_one({"_id": session_id})

    def end_all(self, staff_id: str, but: str | None = None) -> int:
        """End all sessions of a person, except the session `but`; returns how many."""
        theirs: dict[str, Any] = {"staff_id": staff_id}
        if but is not None:
            theirs["_id"] = {"$ne": but}
        return self._sessions.delete_many(theirs).deleted_count

    def keep_session(self, session_id: str, revision: int) -> None:
        """Let a session go on although the account has changed: its person changed it there."""
        self._sessions.update_one({"_id": session_id}, {"$set": {"revision": revision}})

    # --- tries ----------------------------------------------------------------------------------

    def count_try(self, key: Key, hour: int) -> int:
        """Count one more try in this hour; returns the number with this one."""
        ends = datetime.fromtimestamp((hour + 1) * 3600, UTC)
        return count_one(self._tries, {**key, "hour": hour}, ends)

    def forget_tries(self, key: Key, hour: int) -> None:
        forget_counts(self._tries, {**key, "hour": hour})
