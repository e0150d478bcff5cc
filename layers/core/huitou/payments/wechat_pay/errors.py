"""Why WeChat Pay refuses a call."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class WeChatPayErrors(ErrorCode):
    """Why WeChat Pay refuses a call."""

    PAYMENT_FAILED = (
        "微信支付未受理（{detail}），请稍后再试或联系门店",
        "WeChat Pay refused: {detail}",
    )
