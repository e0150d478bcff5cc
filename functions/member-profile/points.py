"""A member's points: every movement, what is about to end, checking in, and the mall."""

from __future__ import annotations

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import ProfileCall

with late_imports():
    from huitou.loyalty.earning.models import BonusAnswer, CheckInRequest
    from huitou.loyalty.notices.models import NoticesAnswer
    from huitou.loyalty.rewards.models import (
        ExchangeAnswer,
        ExchangeRequest,
        MallAnswer,
        MallRequest,
    )
    from huitou.loyalty.statements.models import StatementAnswer
    from huitou.runtime.paging import PageRequest


def points(call: ProfileCall, request: PageRequest) -> object:
    return call.statements.list_movements(call.member_id, request, call.lang)


def notices(call: ProfileCall, request: PageRequest) -> object:
    return call.notices.list_notices(call.member_id, request, call.lang)


def check_in(call: ProfileCall, _: CheckInRequest) -> object:
    return call.bonuses.check_in(call.member_id, call.lang)


def mall(call: ProfileCall, _: MallRequest) -> object:
    return call.mall.list_items(call.member_id, call.lang)


def exchange(call: ProfileCall, request: ExchangeRequest) -> object:
    return call.mall.exchange_points(call.member_id, request)


MEMBER = {
    "points": Action(PageRequest, points, StatementAnswer),
    "notices": Action(PageRequest, notices, NoticesAnswer),
    "check_in": Action(CheckInRequest, check_in, BonusAnswer, most_a_minute=30),
    "mall": Action(MallRequest, mall, MallAnswer),
    "exchange": Action(ExchangeRequest, exchange, ExchangeAnswer, most_a_minute=30),
}
