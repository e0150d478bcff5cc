"""The local cloud's WeChat Pay: API v3, the guest's phone, notices and books."""

from localcloud.wechat_pay.api import WeChatPayStandIn
from localcloud.wechat_pay.bills import FLOW_COLUMNS, TRADE_COLUMNS
from localcloud.wechat_pay.errors import Refused
from localcloud.wechat_pay.mode import FAILURES, Mode
from localcloud.wechat_pay.notices import FORGERIES
from localcloud.wechat_pay.planting import PLANTS

__all__ = [
    "FAILURES", "FLOW_COLUMNS", "FORGERIES", "PLANTS", "TRADE_COLUMNS", "Mode", "Refused",
    "WeChatPayStandIn",
]  # fmt: skip
