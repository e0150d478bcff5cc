"""The most that a caller may send: named types for numbers, texts and lists.

Every number of a request has a least and a most value, every text, list and table a most length
(`tests/test_request_limits.py` walks all requests). The sums of such numbers stay below 2**53, so
a browser reads them exactly.

These limits count for what is *sent* (JSON). A document that is already stored is read as it is,
because an earlier version may have let a higher number in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MOST_FEN = 1_000_000_000  # ¥10,000,000: more than one order, payment or budget of a month.
MOST_BUDGET_FEN = 100 * MOST_FEN
MOST_POINTS = 1_000_000_000
MOST_COUNT = 100_000_000
MOST_REVISION = 10**12  # A revision is one above the last, so nobody reaches it.
LONGEST_ID = 128
LONGEST_NAME = 200


@dataclass(frozen=True)
class Most:
    """The most that may be sent: of a number its value, of a text, list or table its length.

    `least` is the least value of a number. It counts for stored documents too if it is in the
    type's own `Field`.
    """

    most: int
    least: int | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        stored = handler(source)
        sent: dict[str, Any] = dict(stored)
        sent["le" if stored["type"] == "int" else "max_length"] = self.most
        if self.least is not None:
            sent["ge"] = self.least
        return core_schema.json_or_python_schema(json_schema=sent, python_schema=stored)


Fen = Annotated[int, Field(ge=0), Most(MOST_FEN)]
SomeFen = Annotated[int, Field(ge=1), Most(MOST_FEN)]
Points = Annotated[int, Field(ge=0), Most(MOST_POINTS)]
Count = Annotated[int, Field(ge=0), Most(MOST_COUNT)]
SomeCount = Annotated[int, Field(ge=1), Most(MOST_COUNT)]
Revision = Annotated[int, Field(ge=1), Most(MOST_REVISION)]
SchemaVersion = Annotated[int, Most(1_000, least=1)]
Id = Annotated[str, Most(LONGEST_ID)]
ShortText = Annotated[str, Most(LONGEST_NAME)]


def _day(text: str) -> str:
    try:
        known = _FIRST_DAY <= date.fromisoformat(text) <= _LAST_DAY
    except ValueError:
        known = False
    if not known:
        raise PydanticCustomError("no_day", "must be a day from 1970 to 2100")
    return text


_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2100, 1, 1)
# A day as YYYY-MM-DD that the calendar has: a pattern alone lets 30 February in.
DayText = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]
