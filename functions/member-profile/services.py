"""The services that member-profile's actions use, each built at its first use in a call.

Modules that a log-in doesn't need are imported late, so that a guest doesn't wait for them.
"""

from __future__ import annotations

from functools import cached_property

from huitou.runtime.handler import Call
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.coupons.codes.service import Codes
    from huitou.coupons.issuing.service import Coupons
    from huitou.coupons.transfers.service import Gifts
    from huitou.growth.geofence.service import Geofence
    from huitou.growth.referrals.binding_service import Binding
    from huitou.integrations.mini_program import MiniProgram
    from huitou.loyalty.earning.service import Bonuses
    from huitou.loyalty.notices.service import Notices
    from huitou.loyalty.rewards.service import Mall
    from huitou.loyalty.statements.service import Statements
    from huitou.marketing.deliveries.inbox_service import Inbox
    from huitou.marketing.group_offers.service import GroupOffers
    from huitou.members.consents.service import Consents
    from huitou.members.messaging.service import Messages
    from huitou.members.profiles.service import Members
    from huitou.ordering.orders.service import Orders
    from huitou.ordering.till.service import Till


class ProfileCall(Call):
    """One call of member-profile with the services it may use."""

    @cached_property
    def members(self) -> Members:
        return Members(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def member_id(self) -> str:
        """Return the id of the calling member; Refusal IDENTITY_REQUIRED or NOT_REGISTERED."""
        return self.members.member_id_of(self.member)

    @cached_property
    def wechat(self) -> MiniProgram:
        return MiniProgram(self.database, self.settings)

    @cached_property
    def binding(self) -> Binding:
        return Binding(self.database, self.clock)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self.database, self.clock)

    @cached_property
    def statements(self) -> Statements:
        return Statements(self.database, self.clock)

    @cached_property
    def notices(self) -> Notices:
        return Notices(self.database, self.clock)

    @cached_property
    def coupons(self) -> Coupons:
        return Coupons(self.database, self.clock)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def geofence(self) -> Geofence:
        return Geofence(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def bonuses(self) -> Bonuses:
        return Bonuses(self.database, self.clock)

    @cached_property
    def mall(self) -> Mall:
        return Mall(self.database, self.clock)

    @cached_property
    def codes(self) -> Codes:
        return Codes(self.database, self.clock, self.settings.codes_key)

    @cached_property
    def gifts(self) -> Gifts:
        return Gifts(self.database, self.clock, self.settings.token_key)

    @cached_property
    def till(self) -> Till:
        return Till(self.database, self.clock, self.settings.token_key)

    @cached_property
    def group_offers(self) -> GroupOffers:
        return GroupOffers(self.database, self.clock, self.wechat)

    @cached_property
    def messages(self) -> Messages:
        return Messages(self.database)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.database, self.clock)
