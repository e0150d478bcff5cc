"""What a notice says, in the member's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from huitou.runtime.errors import Lang

if TYPE_CHECKING:
    from huitou.loyalty.notices.models import NoticeKind

_MISSING = {
    "zh": {"spend_fen": "再消费 {}", "orders": "再下 {} 单", "points": "再获得 {} 积分"},
    "en": {"spend_fen": "spend {} more", "orders": "{} more orders", "points": "{} more points"},
}
_JOINED = {"zh": {"any": "或", "all": "并"}, "en": {"any": " or ", "all": " and "}}


def words(kind: NoticeKind, data: Mapping[str, str | int], for_day: str, lang: Lang) -> str:
    """Return a notice's text: how to keep a tier, which points expire before `for_day`, or that
    staff want to merge the account from that day on.
    """
    if kind == "merge-asked":
        day = _day(for_day, lang)
        if lang == "en":
            return (
                f"On {day} your account is to be merged with another; if that isn't yours, tell us"
            )
        return f"有人申请将您的账户与另一账户合并，最早 {day}生效；如非本人账户，请联系门店"
    if kind == "tier-keep":
        by = _day(str(data["by"]), lang)
        short, name = _missing(data, lang), data["name"]
        if lang == "en":
            return f"{short[:1].upper()}{short[1:]} by {by} to keep {name}"
        return f"{short}（{by}前）可保留 {name}"
    last = _day((date.fromisoformat(for_day) - timedelta(days=1)).isoformat(), lang)
    if lang == "en":
        return f"{data['points']} points expire at the end of {last}"
    return f"{data['points']} 积分将于 {last}结束时过期"


def to_reach(name: str, data: Mapping[str, str | int], lang: Lang) -> str:
    """Return the text that says what is missing for a tier: 再消费 ¥120 升级白银."""
    short = _missing(data, lang)
    if lang == "en":
        return f"{short[:1].upper()}{short[1:]} to reach {name}" if short else f"{name} is coming"
    return f"{short} 升级{name}" if short else f"即将升级{name}"


def _missing(data: Mapping[str, str | int], lang: Lang) -> str:
    parts = [
        said.format(yuan(int(data[name])) if name == "spend_fen" else data[name])
        for name, said in _MISSING[lang].items()
        if name in data
    ]
    return _JOINED[lang][str(data.get("match", "all"))].join(parts)


def yuan(fen: int) -> str:
    """Write an amount, without .00."""
    return f"¥{fen // 100}" if fen % 100 == 0 else f"¥{fen / 100:.2f}"


def _day(day: str, lang: Lang) -> str:
    on = date.fromisoformat(day)
    return f"{on:%-d %B}" if lang == "en" else f"{on.month} 月 {on.day} 日"
