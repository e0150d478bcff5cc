"""Note differences between WeChat Pay and us, and let a person resolve them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from huitou.payments.charges.errors import ChargeErrors
from huitou.payments.discrepancies.errors import DISCREPANCY, DiscrepancyErrors
from huitou.payments.discrepancies.models import (
    SYSTEM,
    Difference,
    DiscrepanciesPage,
    DiscrepanciesRequest,
    Resolution,
    ShownDiscrepancy,
    Source,
    Value,
)
from huitou.payments.discrepancies.repository import DiscrepancyRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.logs import log


class Discrepancies:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = DiscrepancyRepository(database)

    def note_difference(
        self,
        *,
        source: Source,
        kind: str,
        reference: str,
        expected: Value,
        found: Value,
        day: str | None = None,
        store_id: str | None = None,
        session: ClientSession | None = None,
    ) -> bool:
        """Note a difference; True if it is new. A repetition only counts it as seen again."""
        difference = Difference(
            kind=kind,
            reference=reference,
            expected=expected,
            found=found,
            day=day,
            store_id=store_id,
        )
        return self.note_differences(source, [difference], session) == 1

    def note_differences(
        self,
        source: Source,
        differences: Sequence[Difference],
        session: ClientSession | None = None,
    ) -> int:
        """Note many in one write; returns how many were new."""
        if not differences:
            return 0
        new = self._repository.note(source, differences, self._clock.now(), session)
        for difference in differences:
            log(
                "discrepancy",
                source=source,
                kind=difference.kind,
                reference=difference.reference,
                new=difference.discrepancy_id in new,
            )
        return len(new)

    def unreadable(self, reference: str, error: ValidationError) -> Refusal:
        """Note that WeChat Pay told something in a form we can't read; the refusal to raise."""
        self.note_difference(
            source="notice",
            kind="notice unreadable",
            reference=reference,
            expected="readable",
            found=str(error.errors(include_url=False)[0]["loc"])[:80],
        )
        return Refusal(ChargeErrors.NOTIFICATION_MISMATCH, field="resource", detail="resource")

    def list_discrepancies(self, page: DiscrepanciesRequest) -> DiscrepanciesPage:
        """List discrepancies, newest first: open ones, or all. Raises Refusal for a bad cursor."""
        statuses = ("open", "resolved") if page.all else ("open",)
        found, after = self._repository.page(statuses, page.day, page)
        return DiscrepanciesPage(
            discrepancies=[ShownDiscrepancy.of(one) for one in found], next=after
        )

    def count_open_discrepancies(self, day: str) -> int:
        """Return how many discrepancies of one day are open."""
        return self._repository.count_open(day)

    def resolve_discrepancy(self, discrepancy_id: str, actor: str, note: str) -> ShownDiscrepancy:
        """Resolve an open discrepancy; the same actor and note again change nothing.

        Raises Refusal NOT_FOUND, ALREADY_RESOLVED naming who resolved it before, or
        DISCREPANCY_CHANGED if it was opened again at this moment.
        """
        if actor == SYSTEM:
            raise Refusal(Code.INVALID_REQUEST, field="actor", detail=SYSTEM)
        self._repository.resolve(
            discrepancy_id, Resolution(actor=actor, note=note, at=self._clock.now())
        )
        stored = self._repository.find(discrepancy_id)
        if stored is None:
            raise Refusal(Code.NOT_FOUND, field="discrepancy_id", detail=DISCREPANCY)
        resolution = stored.resolution
        if resolution is None:  # It was opened again just now, with values the actor hasn't seen.
            raise Refusal(DiscrepancyErrors.DISCREPANCY_CHANGED, field="discrepancy_id")
        if (resolution.actor, resolution.note) != (actor, note):
            raise Refusal(
                DiscrepancyErrors.ALREADY_RESOLVED, field="discrepancy_id", detail=resolution.actor
            )
        return ShownDiscrepancy.of(stored)

    def clear_discrepancy(
        self, kind: str, reference: str, session: ClientSession | None = None
    ) -> bool:
        """Resolve one automatically, because its cause is gone; False if it wasn't open."""
        identity = Difference(kind=kind, reference=reference).discrepancy_id
        return self._repository.resolve(identity, self._gone(), session)

    def clear_discrepancies(
        self,
        source: Source,
        references: Sequence[str],
        still: Sequence[Difference],
        session: ClientSession | None = None,
    ) -> int:
        """Resolve a source's open ones about `references`, except those it has `still` found."""
        if not references:
            return 0
        kept = [difference.discrepancy_id for difference in still]
        return self._repository.resolve_about(source, references, kept, self._gone(), session)

    def _gone(self) -> Resolution:
        return Resolution(actor=SYSTEM, note="no longer found", at=self._clock.now())
