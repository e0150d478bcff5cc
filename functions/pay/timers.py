"""Pay's timers: follow payments, refunds and orders up, share profits, check each day's bill."""

from __future__ import annotations

from typing import Any

from services import PayCall

# The longest that one item takes: query, close, query again and settle, each up to its timeout.
_LONGEST_S = 26.0


def run(call: PayCall) -> dict[str, Any]:
    """Do the work of the timer that fired; an unknown timer name does `follow_up`."""
    work = {"share": share, "hourly": hourly}.get(str(call.event.get("TriggerName")), follow_up)
    return work(call)


def follow_up(call: PayCall) -> dict[str, Any]:
    """Carry on with each payment, refund and order that waits for something."""
    payments, refunds, fulfilment = call.payments, call.refund_progress, call.fulfilment
    shipping, wechat, appid = call.shipping, call.wechat, call.settings.wechat_appid

    def ship(order_id: str) -> str:
        return shipping.report_handover(order_id, wechat, appid)

    def show_card(order_id: str) -> str:
        return shipping.show_card(order_id, wechat, appid)

    return call.sweep(
        {
            "unpaid": (payments.due_unpaid_orders(), payments.close_unpaid_order),
            "unanswered": (payments.unanswered_attempts(), payments.ask_about_attempt),
            "refunds": (refunds.due_refunds(), refunds.carry_on_refund),
            "completed": (fulfilment.orders_to_complete(), fulfilment.complete_order),
            "shipping": (shipping.orders_to_ship(), ship),
            "cards": (shipping.due_cards(), show_card),
        },
        spare_s=_LONGEST_S,
    )


def share(call: PayCall) -> dict[str, Any]:
    """Give each partner its share of what was paid."""
    sharing = call.sharing
    return call.sweep(
        {"shares": (sharing.due_shares(), sharing.carry_on_share)}, spare_s=_LONGEST_S
    )


def hourly(call: PayCall) -> dict[str, Any]:
    """Check the bills that WeChat Pay has published, and fetch its new certificates."""
    bills = call.bills
    done = call.sweep({"bills": (bills.due_days(), bills.check_due_day)}, spare_s=_LONGEST_S)
    return {**done, "certificates": call.platform_keys.refresh_certificates(call.gateway)}
