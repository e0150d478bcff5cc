"""Error codes of coupons: why one isn't issued or can't be used."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

COUPON: Words = "优惠券", "coupon"
NOT_HELD: Words = "已使用或已失效", "used, or held no more"
NOT_GIVABLE: Words = "不可转赠", "it can't be given away"
COUPON_TEMPLATE: Words = "优惠券模板", "coupon template"


class CouponErrors(ErrorCode):
    """Why a coupon isn't issued or can't be used."""

    COUPON_NOT_USABLE = "优惠券不可用：{detail}", "The coupon can't be used: {detail}"
    COUPON_NOT_ISSUED = "已达领取上限或已领完", "No more of these coupons can be had"
    TOO_MANY_CLAIMS = "今日领取次数过多，请明天再来", "Too many claims today: come back tomorrow"
    SCENE_UNKNOWN = "二维码无效", "Unknown code"
    WELCOME_TAKEN = "欢迎券已领取", "The welcome coupon was already taken"
