"""The services that pay's actions use; each is built at most once a call, at its first use.

Modules that a quote or an order doesn't need are imported late, so that guests don't wait for
their import.
"""

from __future__ import annotations

from functools import cached_property

from huitou.runtime.handler import Call
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.integrations.mini_program import MiniProgram
    from huitou.members.profiles.service import Members
    from huitou.ordering.fulfilment.service import Fulfilment
    from huitou.ordering.orders.service import Orders
    from huitou.payments.bill_check.service import BillCheck
    from huitou.payments.charges.service import Payments
    from huitou.payments.discrepancies.service import Discrepancies
    from huitou.payments.profit_sharing.service import Sharing
    from huitou.payments.refunds.progress_service import RefundProgress
    from huitou.payments.refunds.service import Refunds
    from huitou.payments.shipping.service import Shipping
    from huitou.payments.wechat_pay.client import WeChatPay
    from huitou.payments.wechat_pay.service import PlatformKeys


class PayCall(Call):
    """One call of pay with the services it may use."""

    @cached_property
    def member_id(self) -> str:
        """The id of the member who calls; Refusal IDENTITY_REQUIRED or NOT_REGISTERED."""
        return Members(self.database, self.clock, self.settings.brand_id).member_id_of(self.member)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def platform_keys(self) -> PlatformKeys:
        return PlatformKeys(self.database, self.settings.wechat_pay)

    @cached_property
    def gateway(self) -> WeChatPay:
        return WeChatPay(self.settings.wechat_pay, self.platform_keys.trusted_keys)

    @cached_property
    def payments(self) -> Payments:
        return Payments(self.database, self.clock, self.settings.brand_id, self.gateway)

    @cached_property
    def refunds(self) -> Refunds:
        return Refunds(self.database, self.clock, self.settings.brand_id, self.gateway)

    @cached_property
    def refund_progress(self) -> RefundProgress:
        return RefundProgress(self.database, self.clock, self.settings.brand_id, self.gateway)

    @cached_property
    def sharing(self) -> Sharing:
        return Sharing(self.database, self.clock, self.gateway)

    @cached_property
    def bills(self) -> BillCheck:
        return BillCheck(self.database, self.clock, self.gateway)

    @cached_property
    def discrepancies(self) -> Discrepancies:
        return Discrepancies(self.database, self.clock)

    @cached_property
    def fulfilment(self) -> Fulfilment:
        return Fulfilment(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def shipping(self) -> Shipping:
        return Shipping(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def wechat(self) -> MiniProgram:
        return MiniProgram(self.database, self.settings)
