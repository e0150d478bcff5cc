"""Sweeps: do the work of many ids in one call, in the time that the platform gives."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from pymongo.errors import PyMongoError

from huitou.runtime.database import TRANSACTION_TIMEOUT_S, Database, is_passing
from huitou.runtime.dead_letters import record_letter
from huitou.runtime.errors import HuitouError, Unavailable
from huitou.runtime.logs import log

LONGEST_S = TRANSACTION_TIMEOUT_S + 2  # The longest time for one id of a sweep.
AT_ONCE = 50  # Ids that are done together, in one transaction.

Each = Callable[[str], str]
Together = Callable[[Sequence[str]], Sequence[str]]
Part = tuple[Iterable[str], Each] | tuple[Iterable[str], Each, Together]


class Sweep:
    """One run over several lists of ids; `function` is told in the letters of what can't be done.

    A part is a list of ids and the work for one of them, and optionally the work for many at once.
    That does all of them and returns their outcomes, or it raises and has done none; then each is
    done alone. One bad document stops neither its own list nor the next one.
    """

    def __init__(self, database: Database, function: str) -> None:
        self._database, self._function = database, function
        self._passing: Exception | None = None

    def run(self, parts: Mapping[str, Part], seconds: float) -> dict[str, dict[str, int]]:
        """Work on the parts for so long, each in its share of the time that is left.

        Returns for each part how many ids had which outcome. The ids that it did not reach keep
        their marker, and the next run finds them. Raises an error that a retry can cure at the
        end, so that the platform calls again; the next run finds what this one has done.
        """
        all_end = time.monotonic() + seconds
        found: dict[str, dict[str, int]] = {}
        for number, (name, part) in enumerate(parts.items()):
            now = time.monotonic()
            found[name] = dict(self._work_on(part, now + (all_end - now) / (len(parts) - number)))
        if self._passing is not None:
            raise self._passing
        return found

    def _work_on(self, part: Part, ends: float) -> Counter[str]:
        ids, work, *together = part
        outcomes: Counter[str] = Counter()
        for group in _groups(ids, AT_ONCE if together else 1):
            if time.monotonic() > ends:
                break
            done = self._together(together[0], group) if together and len(group) > 1 else None
            if done is not None:
                outcomes.update(done)
                continue
            for document_id in group:
                if time.monotonic() > ends:
                    break
                outcomes[self._do(document_id, work)] += 1
        else:
            return outcomes
        outcomes["rest left for the next run"] += 1
        return outcomes

    def _together(self, work: Together, ids: Sequence[str]) -> Sequence[str] | None:
        """Do many ids at once; None if that fails, so that each is done alone."""
        try:
            return work(ids)
        except Exception as error:
            log("sweep_one_by_one", function=self._function, ids=len(ids), reason=_reason(error))
            return None

    def _do(self, document_id: str, work: Each) -> str:
        try:
            return work(document_id)
        except Exception as error:
            if retry_cures(error):
                self._passing = error
                return "to be tried again"
            record_letter(self._database, self._function, document_id, _reason(error))
            return "buried"


def retry_cures(error: Exception) -> bool:
    return isinstance(error, Unavailable) or (isinstance(error, PyMongoError) and is_passing(error))


def _reason(error: Exception) -> str:
    return error.code.name if isinstance(error, HuitouError) else type(error).__name__


def _groups(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(ids)
    while group := list(islice(rest, size)):
        yield list(dict.fromkeys(group))
