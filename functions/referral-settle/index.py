"""referral-settle: who brought whom, and what both get once the friend's first order is final.

Members ask for their own code and how it goes; the timer settles what is due; internal callers
(the CLI, the console) decide about referrals that are held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from huitou.runtime.handler import Action, Call, serve


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "referral-settle", event, context, member=MEMBER, internal=INTERNAL, timer=_settle_due
    )


def _settle_due(call: Call) -> dict[str, Any]:
    referrals = _referrals(call)
    return call.sweep({"outcomes": (referrals.due(), referrals.settle)})


def _referrals(call: Call) -> Referrals:
    return Referrals(call.database, call.clock, call.settings.brand_id)


def _member(call: Call) -> str:
    return Members(call.database, call.clock, call.settings.brand_id).id_of(call.member)


def _code_image(call: Call, request: CodeImageRequest) -> object:
    wechat = MiniProgram(call.database, call.settings)
    return {"image": _referrals(call).code_image(_member(call), request.page, wechat.code_image)}


def _poster(call: Call, _: PosterRequest) -> object:
    posters = Posters(ObjectStorage(call.settings))
    wechat = MiniProgram(call.database, call.settings)

    def put_up(code: str, scene: str, design: PosterDesign) -> str:
        return posters.link(code, design, lambda: wechat.code_image(scene, design.page))

    return _referrals(call).poster(_member(call), put_up)


MEMBER = {
    "code_image": Action(CodeImageRequest, _code_image, CodeImageAnswer),
    "poster": Action(PosterRequest, _poster, PosterAnswer),
    "mine": Action(
        MineRequest, lambda call, r: _referrals(call).mine(_member(call), r, call.lang), MineAnswer
    ),
}

INTERNAL = {
    "held": Action(HeldRequest, lambda call, r: _referrals(call).held(r, call.lang), HeldAnswer),
    "decide": Action(DecideRequest, lambda call, r: _referrals(call).decide(r), ReferralAnswer),
    "referral": Action(
        ReferralRequest, lambda call, r: _referrals(call).shown(r.referral_id), ReferralAnswer
    ),
}
