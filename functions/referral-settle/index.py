"""referral-settle: who brought whom, and what both get once the friend's first order is final.

Members ask for their own code and how it goes; the timer settles what is due; internal callers
(the CLI, the console) decide about referrals that are held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.growth.referrals.models import (
        CodeImageAnswer,
        CodeImageRequest,
        DecideRequest,
        HeldAnswer,
        HeldRequest,
        MineAnswer,
        MineRequest,
        PosterAnswer,
        PosterRequest,
        ReferralAnswer,
        ReferralRequest,
    )
    from huitou.growth.referrals.poster_models import PosterDesign
    from huitou.growth.referrals.poster_service import Posters
    from huitou.growth.referrals.service import Referrals
    from huitou.integrations.mini_program import MiniProgram
    from huitou.integrations.storage import ObjectStorage
    from huitou.members.profiles.service import Members


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "referral-settle", event, context, member=MEMBER, internal=INTERNAL, timer=_settle_due
    )


def _settle_due(call: Call) -> dict[str, Any]:
    referrals = _referrals(call)
    return call.sweep({"outcomes": (referrals.due_referrals(), referrals.settle_referral)})


def _referrals(call: Call) -> Referrals:
    return Referrals(call.database, call.clock, call.settings.brand_id)


def _member(call: Call) -> str:
    return Members(call.database, call.clock, call.settings.brand_id).member_id_of(call.member)


def _code_image(call: Call, request: CodeImageRequest) -> object:
    wechat = MiniProgram(call.database, call.settings)
    return {
        "image": _referrals(call).draw_code_image(_member(call), request.page, wechat.code_image)
    }


def _poster(call: Call, _: PosterRequest) -> object:
    posters = Posters(ObjectStorage(call.settings))
    wechat = MiniProgram(call.database, call.settings)

    def put_up(code: str, scene: str, design: PosterDesign) -> str:
        def draw_code() -> bytes:
            return wechat.code_image(scene, design.page)

        return posters.poster_link(code, design, draw_code)

    return _referrals(call).show_poster(_member(call), put_up)


def _mine(call: Call, request: MineRequest) -> object:
    return _referrals(call).show_own_referrals(_member(call), request, call.lang)


def _held(call: Call, request: HeldRequest) -> object:
    return _referrals(call).list_held_referrals(request, call.lang)


def _decide(call: Call, request: DecideRequest) -> object:
    return _referrals(call).decide_referral(request)


def _referral(call: Call, request: ReferralRequest) -> object:
    return _referrals(call).show_referral(request.referral_id)


MEMBER = {
    "code_image": Action(CodeImageRequest, _code_image, CodeImageAnswer, most_a_minute=20),
    "poster": Action(PosterRequest, _poster, PosterAnswer, most_a_minute=20),
    "mine": Action(MineRequest, _mine, MineAnswer),
}
INTERNAL = {
    "held": Action(HeldRequest, _held, HeldAnswer),
    "decide": Action(DecideRequest, _decide, ReferralAnswer),
    "referral": Action(ReferralRequest, _referral, ReferralAnswer),
}
