"""Whose row it is: one spelling of a member's number, and what is no member's number at all."""

from __future__ import annotations

import re

from cli.imports.cells import BadRow, Cell, clean
from huitou.runtime.typed import mainland_mobile

LONGEST = 64  # Characters of a number or name.

# What stands where nothing is known.
NOTHING = {
    "", "0", "null", "none", "nil", "nan", "n/a", "na", "\\n", "undefined", "无", "空", "没有",
    "暂无", "否", "#n/a", "#ref!", "#value!", "#name?", "#null!", "#num!", "#div/0!",
}  # fmt: skip
_EMPTY = re.compile(r"[\W_]*|0+(?:\.0+)?|[\W_]*(?:null|none|nil|空|无)[\W_]*")
# A placeholder that somebody types where a number is asked for.
_PLACEHOLDER = re.compile(r"(?:1{6,}|9{6,}|x{3,}|12345678(?:9(?:0(?:12?)?)?)?)")
_WALK_IN = r"散客|散户|散单|生客|零客|过客|过路客|路过客|路人|路人甲|游客|访客|walk[\s_-]*ins?"
_ANYBODY = "顾客|客人|客户|来客|食客|用户|会员|新客|消费者|guest|visitor|customer|anonymous|anon"
# Where orders come from. Their default names are those of thousands of people.
_SOURCE = (
    "微信|wechat|支付宝|alipay|美团|饿了么|饿了吗|抖音|快手|小红书|京东(?:到家)?|淘宝|口碑|大众点评|百度|有赞|微店"
    "|小程序|公众号|手机|网络|网上|线上|h5|app|扫码|pos|收银"
)
_GUEST = re.compile(
    rf"(?:普通|临时|匿名|现金|零售|门店|堂食|外卖|到店|一般|默认|系统|未知|陌生|无名|新|{_SOURCE})*(?:(?:{_WALK_IN})\s*\d{{0,3}}"
    rf"|{_ANYBODY})|(?:{_SOURCE})+(?:外卖|外送|点餐|订单|支付|会员)?|非(?:会员|會員)(?:顾客|客户|用户|消费)?"
    r"|(?:不是|没有|没|无|無|暂无|尚未|未)(?:会员|會員|会员卡|会员号|卡|卡号|号码|手机|手机号|手机号码|用户|信息|资料)+"
    r"|(?:未|待)(?:登录|登陆|登入|登錄|注册|註冊|绑定|綁定|识别|入会|开卡|填写?|知|关联|授权|办卡|录入|留|补充?)"
    r"(?:的?(?:会员|用户|顾客|客户|手机号?|卡))?"
    r"|匿名|临客|零售|现金|堂食|外卖|外带|打包|默认|其他|其它|未知|不详|不明|无名氏?|unknown|default|test"
    r"|(?:cash|retail|unknown|anonymous|guest|unnamed|default|online|walk[\s_-]*in)"
    r"[\s_-]*(?:customer|guest|user|sale|order|checkout)|unregistered"
    r"|(?:non|no|not)[\s_-]*(?:members?|cards?|customers?|names?|provided|available|given|applicable)"
    r"|not[\s_-]*(?:a[\s_-]*member|logged[\s_-]*in)|object object|null(?:\s+null)+"
    r"|s?vip(?:会员|客户|顾客)?|[金银铜铂钻黑白青]\w{0,2}(?:会员|卡)|(?:储值|付费|超级)(?:会员|卡|用户)"
    r"|\w{0,6}(?:号桌|[a-z\d]桌|号台|桌台|包间|包厢)"
)
# A surname alone, as delivery platforms print it: thousands of people share each.
_TITLE = re.compile(
    r"[^\W\d_a-z]{0,2}\s*(?:\(?(?:先生|女士|小姐|太太|夫人|男士|帅哥|美女)\)?|\((?:男|女)\))"
    r"|(?:mr|mrs|ms|miss)[.\s]+[a-z]*|(?:顾客|客人|客户|散客|匿名)\((?:先生|女士|小姐|男|女)\)"
)
# A number that a platform lends for one order: another guest has it tomorrow.
_LENT = re.compile(r"(?:\+?86)?1[3-9]\d{9}\s*(?:转接?|分机|ext\.?|[,，;#_x])\s*\d{1,6}")
_MASK = re.compile(
    r"[*∗⁎✱✲※●○•◦◯■□█▇▓★☆◆◇×✕✖]"
    r"|(?:[#?.·・_~]|\.\s){2,}"
    r"|(?<=\d)x{2,}(?=\d)|(?<=\d)-{2,}(?=\d)|尾号|末尾|后四位|末四位|last\s*4"
)
_SUMS = (
    "小计|合计|总计|共计|总和|汇总|累计|统计|小計|合計|總計|共計|匯總"
    "|平均|均值|总额|总金额|总数|总笔数"
)
_SUM_FOR_NUMBER = re.compile(
    rf".{{0,10}}(?:{_SUMS}).{{0,20}}|共\d+(?:条|笔|单|行|人|页|项|位).{{0,20}}"
    r"|(?:(?:grand|sub|page|daily|monthly|store|overall)?(?:totals?|sum|average))\W*\d{0,12}"
)
_SUM = re.compile(
    r"(?:[本当此每分全各累](?:页|日|天|周|月|季|年|班|店|桌|单|人|部)?|门店|会员|菜品|商品|订单|日|月|年)?"
    rf"(?:{_SUMS})(?:金额|数量|数|笔数)?:?[\d.,]*(?:元|笔|单)?"
    r"|共\d+(?:条|笔|单|行|人|页|项|位)|(?:(?:grand|sub|page)?totals?|sum)[\d.]*"
)
# In a column that nobody mapped: the words that mean nothing else (累计 is also a kind of points).
_SUM_ANYWHERE = re.compile(
    r"[本当此每分全各]?(?:页|日|天|周|月|季|年|班|店|桌|单|门店|会员|菜品|商品|订单)?"
    r"(?:小计|合计|总计|共计|小計|合計|總計|共計)(?:金额|数量|笔数)?:?|(?:grand|sub)?totals?"
)
_LIKE_SUM_ANYWHERE = re.compile("[计計]|total|[Ａ-ｚ]", re.IGNORECASE)
_ENGLISH_SUM = re.compile("total|sum|average", re.IGNORECASE)
# As Excel and we ourselves write a number that has too many digits: 1.38E+10, 2.0260302e13.
# 20261010E0012 is an order's number.
_SHORTENED = re.compile(r"\d\.\d+[eE]\+?\d{1,3}|\d[eE]\+\d{1,3}")
_ABROAD = re.compile(r"\+([1-9]\d{6,14})|00((?:852|853)\d{8}|886\d{9})")
_PHONE_LIKE = re.compile(
    r"(?:tel|phone|mobile|手机号码|手机号|手机|电话)?[:\s]*([-‐‑‒–—―−+().\d\s]+)"
)


class NoMember(BadRow):
    """A row whose guest nobody knows: a walk-in, a placeholder, a mask."""


def is_sum(cell: Cell, *, is_number: bool = False) -> bool:
    """Tell whether a cell makes its row a sum (合计, 本页小计：, Total) and not a sale.

    Where the number of a member or an order belongs, any text with such a word does; elsewhere
    only one that says nothing else, for a dish may well be called 合计套餐.
    """
    text = _bare_sum(cell)
    return bool(text and (_SUM_FOR_NUMBER if is_number else _SUM).fullmatch(text))


def is_sum_anywhere(cell: Cell) -> bool:
    """Tell whether a cell of a column that nobody mapped makes its row a sum and not a sale."""
    if not _LIKE_SUM_ANYWHERE.search(str(cell)):
        return False  # Nearly all cells of a large file.
    text = _bare_sum(cell)
    return bool(text and _SUM_ANYWHERE.fullmatch(text))


def _bare_sum(cell: Cell) -> str:
    """Return a text that may be a sum's, without blanks and marks around it; else nothing."""
    text = clean(cell)
    if text.isascii() and not _ENGLISH_SUM.search(text):
        return ""  # So are nearly all cells of a large file.
    return re.sub(r"\s+", "", text).strip(":;,.-—=*()[]【】<>《》|/、。").lower()


def is_nothing(text: str) -> bool:
    """Tell whether a (clean) text says that there is nothing: empty, -, ——, NULL, 00000000."""
    return text.lower() in NOTHING or bool(_EMPTY.fullmatch(text.lower()))


def member_number(cell: Cell) -> tuple[str, str | None]:
    """Return a member's number, and how it was read before phones had one spelling.

    A phone is the same in every spelling: "+86 138-0000-0001" is "13800000001", one from abroad
    "+85291234567". The second value is None where both are the same. Raises BadRow for the field
    `member` if the cell names nobody, or more than one.
    """
    text = clean(cell)
    lower = text.lower()
    if is_sum(text, is_number=True):
        raise BadRow("member", f"a sum row, no sale: {text[:LONGEST]}")
    if is_nothing(text) or _GUEST.fullmatch(lower.strip("()[]<>{}【】《》「」-—:;,.!/ ")):
        raise NoMember("member", "there is none")
    if _PLACEHOLDER.fullmatch(lower):
        raise NoMember("member", f"there is none: {text} is a placeholder")
    if _TITLE.fullmatch(lower):
        raise NoMember("member", f"a form of address, so that many people share it: {text}")
    if _LENT.fullmatch(lower):
        raise NoMember("member", f"a number on loan, with an extension: {text}")
    if _MASK.search(lower):
        raise NoMember("member", f"masked, so that several people share it: {text[:LONGEST]}")
    before = number_text("member", text)
    number = _one_spelling(before)
    return number, before if before != number else None


def number_text(name: str, text: str) -> str:
    """Return a (clean) number of a member or an order; raises BadRow if Excel has shortened it."""
    if _SHORTENED.fullmatch(text):
        raise BadRow(name, f"{text}: Excel has shortened this number; format the column as text")
    if re.fullmatch(r"\d+\.0", text):
        text = text.removesuffix(".0")
    if len(text) > LONGEST:
        raise BadRow(name, f"more than {LONGEST} characters")
    return text


def _one_spelling(text: str) -> str:
    match = _PHONE_LIKE.fullmatch(text.lower())
    if match is None:
        return text
    # A 0 in brackets is dialled only inside the country: +86 (0)138…
    digits = re.sub(r"[-‐‑‒–—―−().\s]", "", match[1].replace("(0)", ""))
    if mobile := mainland_mobile(digits):
        return mobile
    if abroad := _ABROAD.fullmatch(digits):
        return f"+{abroad[1] or abroad[2]}"
    return re.sub(r"\s", "", text) if re.fullmatch(r"[\d\s]+", text) else text
