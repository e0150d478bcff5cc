"""What became of an order, by the words tills use: only what was sold is revenue."""

from __future__ import annotations

import re
from typing import Literal

from cli.imports.cells import Cell, clean, header_key
from cli.imports.people import is_nothing

# "given back": a sale that went back or was called off. It may have come in before.
Meaning = Literal["sold", "given back", "not sold", "unknown"]

LONGEST = 16  # Characters; a longer text is a note, and no status.
_NO = r"(?:未|无|没有|没|不|非|無|沒有)"
# Looked at in this order: a word that takes another one back stands before it.
_WORDS: tuple[tuple[Meaning, str], ...] = (
    ("unknown", r"部分|退款(?:中|失败|被拒|关闭|取消|驳回|异常)|partial"
                r"|(?:申请|拒绝|取消|驳回|撤销|等待|待)退款"),
    ("sold", rf"{_NO}(?:发生|申请)?(?:退款|退单|退货|退菜|取消|作废|关闭|撤销)"),
    ("not sold", r"充值|储值|开卡|办卡|售卡|退卡|押金|测试|试单|top[\s-]*up|recharge"),
    ("given back", r"退款|退单|退货|退菜|退餐|已退|退订|退回|取消|关闭|作废|废单|废弃"
                   r"|撤单|撤销|撤回|冲正|冲销|红冲|反结|拒单|拒收|取銷|退訂|關閉|作廢"
                   r"|refund|cancel|void|revers|reject|chargeback"),
    ("not sold", r"拒绝|删除|已删|无效|失效|失败|超时|过期|异常|挂单|挂起"
                 r"|fail|expire|declin|delete|abandon|timeout|invalid"),
    ("not sold", rf"{_NO}(?:完成|支付|付款?|结账?|结算|成功|收款|成交|下单|生效|正常|有效)"
                 r"|(?:待|等待)(?:支付|付款?|结账?|结算|收款|下单)|支付中|付款中|草稿"
                 r"|unpaid|not\s*paid|pending|draft|awaiting|incomplete|unsettled"),
    ("sold", r"完成|成功|支付|付款|已付|已结|结账|结清|已收|收款|正常|有效|成交|核销|已取|取餐|送达"
             r"|签收|已评|待评|评价|消费|销售|出单|出餐|制作|备餐|配送|接单|待取|堂食|外卖|外带|自提|开票"
             r"|paid|complet|success|settl|finish|deliver|fulfil|sale|normal|approved|valid"),
)  # fmt: skip
_TABLE = tuple((meaning, re.compile(words)) for meaning, words in _WORDS)
_BLANK_IS_SOLD = re.compile("退|取消|作废|废|撤|refund|cancel|void")
_PART = re.compile("部分退|部份退|partial")
_MONEY_BACK = re.compile("退|返还|冲正|冲销|红冲|refund|return|revers|chargeback")
_YES, _NO_WORD = {"是", "y", "yes", "true", "1", "有"}, {"否", "n", "no", "false", "0", "无"}
_NAME = re.compile(
    r"状态|狀態|狀况|状况|status|state|是否(?:退|取消|作废|有效|支付|撤)|退款标|作废标|交易类型|单据类型"
    r"|业务类型|记录类型|流水类型|(?:已|是)退|refunded|cancell?ed|voided|transactiontype"
)


def meaning_of(cell: Cell, column: str, sold: frozenset[str] = frozenset()) -> Meaning:
    """Tell what a status says of its order; `sold` are (clean, lower) words the user has named.

    In a column about refunds or cancellations alone (是否退款) an empty cell or "no" says that the
    order stands. In any other, an empty cell says nothing.
    """
    text = clean(cell).lower()
    if text in sold:
        return "sold"
    if _BLANK_IS_SOLD.search(header_key(column).lower()):
        if is_nothing(text) or text in _NO_WORD:
            return "sold"
        if text in _YES:
            return "given back"
    return next((meaning for meaning, words in _TABLE if words.search(text)), "unknown")


def looks_like_status(column: str) -> bool:
    """Tell by its name whether a column says what became of an order."""
    return bool(_NAME.search(header_key(column).lower()))


def takes_back(cell: Cell) -> bool:
    """Tell whether a cell, whatever its column is called, says that its order was not sold."""
    text = clean(cell).lower()
    return 0 < len(text) <= LONGEST and meaning_of(text, "") in ("not sold", "given back")


def is_money_back(cell: Cell, column: str) -> bool:
    """Tell whether a status calls its row itself a refund: 退款. A cancelled refund is none."""
    words = clean(cell).lower(), header_key(column).lower()
    meaning = meaning_of(cell, column)
    return meaning == "given back" and any(map(_MONEY_BACK.search, words))


def is_part(cell: Cell) -> bool:
    """Tell whether a status says that a part of the order went back: 部分退款."""
    return bool(_PART.search(clean(cell).lower()))
