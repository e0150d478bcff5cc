"""Why a step of a campaign is refused."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

CAMPAIGN: Words = "活动", "campaign"
CAMPAIGN_STATUS: dict[str, Words] = {
    "draft": ("草稿", "draft"),
    "checked": ("已检查", "checked"),
    "running": ("进行中", "running"),
    "paused": ("已暂停", "paused"),
    "ended": ("已结束", "ended"),
}


class CampaignErrors(ErrorCode):
    """Why a step of a campaign is refused."""

    CAMPAIGN_NOT_AT_THIS_STEP = (
        "活动当前为 {detail}，不能进行此操作",
        "The campaign is {detail}: this step can't be taken",
    )
    CAMPAIGN_NOT_CHECKED = (
        "活动当前版本还没有通过合规检查，请先检查",
        "This revision hasn't passed the check: run it first",
    )
