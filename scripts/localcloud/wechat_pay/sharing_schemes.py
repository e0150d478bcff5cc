"""The two dialects of profit sharing: that of merchants and partners, and that of brands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localcloud.wechat_pay.fields import (
    APPID,
    MCHID,
    OUT_NUMBER,
    TRANSACTION_ID,
    Each,
    Shape,
    address,
    flag,
    may,
    must,
    one_of,
    text,
    whole,
)

MOST_RECEIVERS = 50
_TYPE = one_of("MERCHANT_ID", "PERSONAL_OPENID", "PERSONAL_SUB_OPENID")
_RECEIVER: Shape = {
    "type": must(_TYPE),
    "account": must(text(64)),
    "name": may(text(10_240)),  # Encrypted.
    "amount": must(whole(1)),
    "description": must(text(80)),
}
_ORDER: Shape = {
    "appid": may(APPID),
    "sub_appid": may(APPID),
    "transaction_id": must(TRANSACTION_ID),
    "out_order_no": must(OUT_NUMBER),
    "receivers": must(Each(_RECEIVER, MOST_RECEIVERS)),
    "notify_url": may(address),
}
_UNFREEZE: Shape = {
    "transaction_id": must(TRANSACTION_ID),
    "out_order_no": must(OUT_NUMBER),
    "description": must(text(80)),
    "notify_url": may(address),
}
_RETURN: Shape = {
    "order_id": may(text(64)),
    "out_order_no": may(OUT_NUMBER),
    "out_return_no": must(OUT_NUMBER),
    "return_mchid": must(MCHID),
    "amount": must(whole(1)),
    "description": must(text(80)),
}
_ADD: Shape = {
    "appid": must(APPID),
    "sub_appid": may(APPID),
    "type": must(_TYPE),
    "account": must(text(64)),
    "name": may(text(10_240)),
}
_DELETE: Shape = {
    "appid": must(APPID),
    "sub_appid": may(APPID),
    "type": must(_TYPE),
    "account": must(text(64)),
}
_RELATIONS = one_of(
    "SERVICE_PROVIDER", "STORE", "STAFF", "STORE_OWNER", "PARTNER", "HEADQUARTER", "BRAND",
    "DISTRIBUTOR", "USER", "SUPPLIER", "CUSTOM",
)  # fmt: skip
_BRAND_RELATIONS = one_of(
    "SUPPLIER", "DISTRIBUTOR", "SERVICE_PROVIDER", "PLATFORM", "STAFF", "OTHERS"
)


@dataclass(frozen=True)
class Dialect:
    """What differs: shapes, the names of fields and states, and the waiting times."""

    name: str
    after_s: int  # No share before this long after the payment.
    frozen_s: int  # Then what wasn't shared goes to the merchant by itself.
    order: Shape
    unfreeze: Shape
    returns: Shape
    add: Shape
    delete: Shape
    finish_flag: str
    state: str
    return_id: str
    failed: str

    def owner(self, given: dict[str, Any], mchid: str) -> str:
        """Return whose receivers they are."""
        name = "brand_mchid" if self is BRAND else "sub_mchid"
        return f"{self.name}:{given.get(name, mchid)}"


PLAIN = Dialect(
    name="plain",
    after_s=60,
    frozen_s=30 * 86_400,
    order={**_ORDER, "sub_mchid": may(MCHID), "unfreeze_unsplit": must(flag)},
    unfreeze={**_UNFREEZE, "sub_mchid": may(MCHID)},
    returns={**_RETURN, "sub_mchid": may(MCHID)},
    add={**_ADD, "sub_mchid": may(MCHID), "relation_type": must(_RELATIONS),
         "custom_relation": may(text(10))},
    delete={**_DELETE, "sub_mchid": may(MCHID)},
    finish_flag="unfreeze_unsplit",
    state="state",
    return_id="return_id",
    failed="FAILED",
)  # fmt: skip
BRAND = Dialect(
    name="brand",
    after_s=30,
    frozen_s=180 * 86_400,
    order={**_ORDER, "brand_mchid": must(MCHID), "sub_mchid": must(MCHID),
           "finish": must(flag)},
    unfreeze={**_UNFREEZE, "sub_mchid": must(MCHID)},
    returns={**_RETURN, "sub_mchid": must(MCHID)},
    add={**_ADD, "brand_mchid": must(MCHID), "relation_type": must(_BRAND_RELATIONS)},
    delete={**_DELETE, "brand_mchid": must(MCHID)},
    finish_flag="finish",
    state="status",
    return_id="return_no",
    failed="FAIL",
)  # fmt: skip
DIALECTS = {dialect.name: dialect for dialect in (PLAIN, BRAND)}
