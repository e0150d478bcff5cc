"""Give members of a community group the coupon that its campaign has for them today."""

from __future__ import annotations

import time
from datetime import date
from typing import Protocol

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.service import Coupons
from huitou.integrations.errors import MiniProgramErrors
from huitou.marketing.campaigns.errors import CAMPAIGN
from huitou.marketing.campaigns.rules import exposure_id, may_send, slot
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.deliveries.rules import Occasion
from huitou.marketing.group_offers.errors import GroupOfferErrors
from huitou.marketing.group_offers.models import GroupOfferAnswer, TakeGroupOfferRequest
from huitou.marketing.group_offers.rules import group_of
from huitou.marketing.runs.service import CampaignRuns
from huitou.members.messaging.service import Messages
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.identity import Caller

PROOF_LIVES_S = 600  # WeChat's time against ours.


class Sessions(Protocol):
    """The service that knows to whom a log-in code belongs: WeChat."""

    def session(self, code: str) -> tuple[str, str]:
        """Return the OpenID and the session key; a used code raises Refusal GROUP_NOT_PROVEN."""


class GroupOffers:
    def __init__(self, database: Database, clock: Clock, sessions: Sessions) -> None:
        self._clock = clock
        self._sessions = sessions
        self._campaigns = Campaigns(database, clock)
        self._runs = CampaignRuns(database, clock)
        self._coupons = Coupons(database, clock)
        self._messages = Messages(database)

    def take_offer(
        self, member_id: str, caller: Caller, request: TakeGroupOfferRequest
    ) -> GroupOfferAnswer:
        """Give a member today's coupon of a group they came from: once a day, while any are left.

        Members can take it from the campaign's `send_at` until the quiet hours begin, or within
        the campaign's own window. Raises Refusal NOT_FOUND, GROUP_NOT_PROVEN, OFFER_NOT_NOW or
        COUPON_NOT_ISSUED.
        """
        found = self._campaigns.find_running_campaign(request.campaign_id)
        if found is None or TRIGGERS[found[1].trigger.kind].met != "taken":
            raise Refusal(Code.NOT_FOUND, field="campaign_id", detail=CAMPAIGN)
        state, campaign = found
        openid, key = self._sessions.session(request.code)
        since = time.time() - PROOF_LIVES_S
        group = group_of(request.encrypted_data, request.iv, key, caller.appid, since)
        if openid != caller.openid or group not in campaign.trigger.opengids:
            raise Refusal(MiniProgramErrors.GROUP_NOT_PROVEN, field="encrypted_data")
        now, quiet = self._clock.now(), self._messages.message_rules().quiet
        today = date.fromisoformat(brand_day(now))
        if (
            not campaign.valid_from <= today <= campaign.valid_until
            or now < slot(today.isoformat(), campaign.send_at)
            or not may_send(now, BRAND_ZONE, quiet, campaign.window)
        ):
            raise Refusal(
                GroupOfferErrors.OFFER_NOT_NOW, field="campaign_id", detail=campaign.send_at
            )
        occasion = Occasion(member_id, today.isoformat())
        self._runs.send_to_member(state, campaign, occasion)
        cause = f"campaign:{exposure_id(campaign.id, member_id, occasion.occasion)}"
        try:
            return GroupOfferAnswer(coupon=self._coupons.show_coupon_of_cause(cause))
        except Refusal:  # None is left, or this member may not get any.
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="campaign_id") from None
