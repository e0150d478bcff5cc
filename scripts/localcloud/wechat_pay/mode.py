"""How WeChat Pay behaves: what tests and developers can make go wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

# Error codes that WeChat Pay documents for these APIs, with their HTTP statuses.
FAILURES = {
    "PARAM_ERROR": 400, "INVALID_REQUEST": 400, "APPID_MCHID_NOT_MATCH": 400,
    "MCH_NOT_EXISTS": 400, "ORDER_CLOSED": 400, "ORDERPAID": 400, "NO_STATEMENT_EXIST": 400,
    "STATEMENT_CREATING": 400, "SIGN_ERROR": 401, "ACCOUNT_ERROR": 403, "NO_AUTH": 403,
    "NOT_ENOUGH": 403, "OUT_TRADE_NO_USED": 403, "RULE_LIMIT": 403, "TRADE_ERROR": 403,
    "USER_ACCOUNT_ABNORMAL": 403, "ORDER_NOT_EXIST": 404, "RESOURCE_NOT_EXISTS": 404,
    "FREQUENCY_LIMITED": 429, "BANK_ERROR": 500, "SYSTEM_ERROR": 500,
}  # fmt: skip
_CHOICES = {
    "refunds_end": ("SUCCESS", "CLOSED", "ABNORMAL"),
    "shares_end": ("SUCCESS", "CLOSED"),
    "returns_end": ("SUCCESS", "FAILED", "PROCESSING"),
    "signs_with": ("public_key", "certificate"),
}


@dataclass
class Mode:
    """Every switch at its default is the real thing on a good day.

    `copies` of each notice are sent (0 = lost) after `delay_s`; with `reorder` they are held and
    `release` sends them last one first. `down` answers nobody; with `answer_lost` a call is
    done, but its answer never arrives; `fail_next` are the error codes of the next calls.
    Refunds, shares and returned shares end as `refunds_end`, `shares_end` and `returns_end`
    (what is PROCESSING ends when it is asked for again under another mode).
    `signs_with` is the key that signs notices and answers: "public_key" or "certificate".
    Rates are basis points: the fee of a payment, and how much of it may be shared.
    """

    copies: int = 1
    delay_s: float = 0.0
    down: bool = False
    refunds_end: str = "SUCCESS"
    shares_end: str = "SUCCESS"
    returns_end: str = "SUCCESS"
    reorder: bool = False
    answer_lost: bool = False
    fail_next: list[str] = field(default_factory=list)
    signs_with: str = "public_key"
    refund_gap_s: float = 60.0
    share_max_bp: int = 3_000
    fee_bp: int = 60

    def set(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Change some switches and return them all; ValueError names what can't be."""
        for name, value in changes.items():
            self._check(name, value)
        for name, value in changes.items():
            setattr(self, name, list(value) if name == "fail_next" else value)
        return asdict(self)

    def reset(self) -> None:
        """Put every switch back to its default."""
        for name, value in asdict(Mode()).items():
            setattr(self, name, value)

    def _check(self, name: str, value: Any) -> None:
        if name not in {known.name for known in fields(self)}:
            raise ValueError(f"no such switch: {name}")
        if name == "fail_next":
            if not isinstance(value, list) or not set(value) <= FAILURES.keys():
                raise ValueError(f"fail_next takes a list of {', '.join(FAILURES)}")
        elif name in _CHOICES:
            if value not in _CHOICES[name]:
                raise ValueError(f"{name} is one of {', '.join(_CHOICES[name])}")
        elif isinstance(getattr(self, name), bool):
            if type(value) is not bool:
                raise ValueError(f"{name} is true or false")
        elif isinstance(getattr(self, name), int) and type(value) is not int:
            raise ValueError(f"{name} is a whole number")
        elif type(value) not in (int, float) or value < 0:
            raise ValueError(f"{name} is a number, not negative")
