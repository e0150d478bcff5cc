"""Who a member is: log in, profile, phone, consents, and the orders they placed."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from huitou.runtime.errors import Unavailable
from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports, loaded
from services import ProfileCall

with late_imports():
    from huitou.members.consents.models import ConsentRequest, ConsentsAnswer
    from huitou.members.profiles.models import (
        BindPhoneRequest,
        LoginAnswer,
        LoginRequest,
        PhoneAnswer,
        ProfileRequest,
        UpdateProfileRequest,
    )
    from huitou.members.profiles.shown_models import ProfileAnswer
    from huitou.operations.console.lookup_models import FindByPhoneRequest, FoundByPhone
    from huitou.operations.console.lookup_service import PhoneBook
    from huitou.operations.merges.models import MergeCodeAnswer, MergeCodeRequest
    from huitou.operations.merges.proofs import SPAN_S, proof_code
    from huitou.ordering.orders.models import OrdersAnswer
    from huitou.runtime.paging import PageRequest


def login(call: ProfileCall, request: LoginRequest) -> object:
    def bind(member_id: str, scene: str, network: str | None, session: Any) -> bool:
        return call.binding.bind_inviter(member_id, scene, network, session)

    key = call.settings.phone_key
    answer = call.members.login(call.member, request.scene, key, bind)
    if answer.get("invited") and call.member.address:
        # If the service doesn't answer, the member is registered without a rank and doesn't wait.
        with suppress(Unavailable):
            rank = call.wechat.risk_rank(call.member.openid, call.member.address)
            call.binding.note_risk_rank(str(answer["member_id"]), rank)
    return answer


def profile(call: ProfileCall, _: ProfileRequest) -> object:
    return call.members.show_profile(call.member_id, call.lang)


def update(call: ProfileCall, request: UpdateProfileRequest) -> object:
    return call.members.update_profile(call.member_id, request, call.lang)


def bind_phone(call: ProfileCall, request: BindPhoneRequest) -> object:
    key = call.settings.phone_key
    return call.members.bind_phone(call.member_id, request.code, call.wechat, key)


def consent(call: ProfileCall, request: ConsentRequest) -> object:
    held = call.consents.record_consent(call.member_id, request)
    if not held.precise_location:
        call.geofence.forget_position(call.member_id)
    return held


def find_by_phone(call: ProfileCall, request: FindByPhoneRequest) -> object:
    return PhoneBook(call.database, call.settings.phone_key).find_by_phone(request.phone)


def merge_code(call: ProfileCall, _: MergeCodeRequest) -> MergeCodeAnswer:
    code = proof_code(call.settings.token_key, call.member_id, time.time())
    return MergeCodeAnswer(code=code, seconds=loaded(SPAN_S))


def orders(call: ProfileCall, request: PageRequest) -> object:
    return call.orders.list_orders(call.member_id, request)


MEMBER = {
    "login": Action(LoginRequest, login, LoginAnswer),
    "profile": Action(ProfileRequest, profile, ProfileAnswer),
    "update": Action(UpdateProfileRequest, update, ProfileAnswer, most_a_minute=30),
    "bind_phone": Action(BindPhoneRequest, bind_phone, PhoneAnswer, most_a_minute=30),
    "consent": Action(ConsentRequest, consent, ConsentsAnswer, most_a_minute=30),
    "merge_code": Action(MergeCodeRequest, merge_code, MergeCodeAnswer),
    "orders": Action(PageRequest, orders, OrdersAnswer),
}
INTERNAL = {"find_by_phone": Action(FindByPhoneRequest, find_by_phone, FoundByPhone)}
