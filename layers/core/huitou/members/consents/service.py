"""Record members' consents, and tell which are given now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymongo.client_session import ClientSession

from huitou.members.consents.models import Consent, ConsentRequest, ConsentsAnswer, Purpose
from huitou.members.consents.repository import ConsentRepository
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable

TRIES = 10  # So many decisions of one member may be recorded at once.
GivenByPurpose = Mapping[Purpose, bool]
_DEFAULTS: dict[Purpose, bool] = {
    "marketing": False, "personalised": True, "precise_location": False,
}  # fmt: skip


class Consents:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = ConsentRepository(database)
        self._persons = Persons(database)

    def record_consent(self, member_id: str, request: ConsentRequest) -> ConsentsAnswer:
        """Add a decision to the log unless it repeats the latest one; returns what is given now."""
        for _ in range(TRIES):
            last = self._repository.latest(member_id, request.purpose)
            same = last and (last.given, last.text_version) == (request.given, request.text_version)
            number = (last.n if last else 0) + 1
            if same or self._persons.insert_for(
                member_id,
                lambda session, n=number: self._append(member_id, request, n, session),  # type: ignore[misc]
            ):
                held = self.consents_of([member_id])[member_id]
                return ConsentsAnswer.model_validate(held)
        raise Unavailable

    def _append(
        self, member_id: str, request: ConsentRequest, n: int, session: ClientSession
    ) -> None:
        consent = Consent(
            id=f"{member_id}:{request.purpose}:{n}",
            member_id=member_id,
            n=n,
            at=self._clock.now(),
            **request.model_dump(),
        )
        self._repository.append(consent, session)

    def consents_of(self, member_ids: Sequence[str]) -> dict[str, GivenByPurpose]:
        """Return for each of these members whether consent is given, by purpose."""
        held: dict[str, dict[Purpose, bool]] = {name: dict(_DEFAULTS) for name in member_ids}
        for member_id, purpose, given in self._repository.held(member_ids):
            held[member_id][purpose] = given
        return {**held}

    def has_consent(self, member_id: str, purpose: Purpose) -> bool:
        """Tell whether the member's consent to this purpose is given now."""
        return self.consents_of([member_id])[member_id][purpose]

    def withdraw_all_consents(self, member_id: str, session: ClientSession) -> None:
        """Withdraw every consent that is given, within an erasure."""
        last = self._repository.latest_of(member_id, session)
        for purpose, default in _DEFAULTS.items():
            known = last.get(purpose)
            if known.given if known else default:
                request = ConsentRequest(purpose=purpose, given=False, text_version="erasure")
                self._append(member_id, request, (known.n if known else 0) + 1, session)

    def take_over_consents(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Carry a member's decisions over when they are merged into another one.

        For each purpose that this member decided on, consent is given afterwards only if neither of
        the two members has refused it.
        """
        own = self._repository.latest_of(into_id, session)
        for purpose, theirs in self._repository.latest_of(source_id, session).items():
            ours = own.get(purpose)
            given = theirs.given if ours is None else ours.given and theirs.given
            if given != (ours.given if ours is not None else _DEFAULTS[purpose]):
                request = ConsentRequest(
                    purpose=purpose, given=given, text_version=theirs.text_version
                )
                self._append(into_id, request, (ours.n if ours else 0) + 1, session)
