"""Profit sharing: parts of a payment given to receivers, what is left unfrozen, and queries."""

from __future__ import annotations

from functools import partial

from localcloud.wechat_pay.books import Doc, shared_to
from localcloud.wechat_pay.errors import Refused, against_the_rules, not_enough
from localcloud.wechat_pay.fields import check_body, same_request
from localcloud.wechat_pay.receivers import Receivers
from localcloud.wechat_pay.sharing_schemes import BRAND, DIALECTS, PLAIN, Dialect
from localcloud.wechat_pay.vendor import Answer, Call, Route, Vendor, digits

ENDS_AFTER_S = 0.02
MOST_REQUESTS = 50


class Sharing:
    """What `/v3/profitsharing/…` and `/v3/brand/profitsharing/…` answer about shares."""

    def __init__(self, vendor: Vendor, receivers: Receivers) -> None:
        self._vendor, self._books, self._receivers = vendor, vendor.books, receivers

    def routes(self) -> list[Route]:
        plain, brand = "/v3/profitsharing", "/v3/brand/profitsharing"
        return [
            Route("POST", plain + "/orders", lambda call: self._create(PLAIN, call)),
            Route("POST", brand + "/orders", lambda call: self._create(BRAND, call)),
            Route("POST", plain + "/orders/unfreeze", lambda call: self._unfreeze(PLAIN, call)),
            Route("POST", brand + "/finish-order", lambda call: self._unfreeze(BRAND, call)),
            Route("GET", plain + "/orders/([^/]+)", self._query),
            Route("GET", brand + "/orders", self._query_brand),
            Route(
                "GET",
                plain + "/transactions/([^/]+)/amounts",
                lambda call: self._amounts(PLAIN, call),
            ),
            Route(
                "GET", brand + "/orders/([^/]+)/amounts", lambda call: self._amounts(BRAND, call)
            ),
            Route(
                "GET",
                plain + "/merchant-configs/([^/]+)",
                lambda call: self._ratio("sub_mchid", call),
            ),
            Route(
                "GET",
                brand + "/brand-configs/([^/]+)",
                lambda call: self._ratio("brand_mchid", call),
            ),
        ]

    # --- asked for ----------------------------------------------------------------------------

    def _create(self, dialect: Dialect, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, dialect.order)
        payment = self._payment_of(body)
        if body.get("appid", self._vendor.keys.appid) != self._vendor.keys.appid:
            raise Refused(400, "APPID_MCHID_NOT_MATCH")
        known = self._repeated(dialect, body)
        if known is not None:
            return self._shown(known)
        self._check_open(dialect, payment)
        self._receivers.check(dialect, call)
        self._check_sum(body, payment)
        share = self._share(dialect, body, payment, unfreezes=False)
        share["receivers"] = [self._pending(receiver) for receiver in body["receivers"]]
        return self._accept(share, payment, finishes=body[dialect.finish_flag])

    def _unfreeze(self, dialect: Dialect, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, dialect.unfreeze)
        payment = self._payment_of(body)
        known = self._repeated(dialect, body)
        if known is not None:
            return self._shown(known)
        self._check_open(dialect, payment)
        rest_fen = self._books.position(payment).unsplit_fen
        if rest_fen == 0:
            raise not_enough("分账金额不足")
        share = self._share(dialect, body, payment, unfreezes=True)
        share["receivers"] = [
            self._pending(
                {
                    "type": "MERCHANT_ID",
                    "account": self._vendor.money_of(payment),
                    "amount": rest_fen,
                    "description": body["description"],
                }
            )
        ]
        return self._accept(share, payment, finishes=True)

    def _payment_of(self, given: Doc) -> Doc:
        found = self._books.transaction(given["transaction_id"])
        return self._vendor.owned(found, given.get("sub_mchid"), "RESOURCE_NOT_EXISTS")

    def _repeated(self, dialect: Dialect, body: Doc) -> Doc | None:
        known = self._books.share(body["out_order_no"])
        if known is None:
            return None
        if known["dialect"] != dialect.name or not same_request(known["request"], body):
            raise against_the_rules("商户分账单号重复，且与之前请求不一致")
        return known

    def _check_open(self, dialect: Dialect, payment: Doc) -> None:
        """Refuse what can't be shared now: not marked, too early, unfrozen, too often."""
        if not payment["request"].get("settle_info", {}).get("profit_sharing"):
            raise against_the_rules("非分账订单不支持分账")
        if self._vendor.age_s(payment["success_time"]) < dialect.after_s:
            raise against_the_rules("订单处理中，暂时无法分账，请稍后再试")
        if not self.is_frozen(payment, dialect):
            raise not_enough("分账金额不足")
        if len(self._books.shares_of(payment["out_trade_no"])) >= MOST_REQUESTS:
            raise Refused(403, "RULE_LIMIT", "分账次数超出限制")

    def is_frozen(self, payment: Doc, dialect: Dialect | None = None) -> bool:
        """Whether money of a payment still waits to be shared.

        How long it waits is the brand's 180 days or everybody's 30; which of them holds, only
        the API that is used for the payment tells.
        """
        if not payment["transaction_id"] or payment.get("unfrozen"):
            return False
        if not payment["request"].get("settle_info", {}).get("profit_sharing"):
            return False
        dialect = dialect or (BRAND if payment.get("brand") else PLAIN)
        return self._vendor.age_s(payment["success_time"]) < dialect.frozen_s

    def _check_sum(self, body: Doc, payment: Doc) -> None:
        position = self._books.position(payment)
        wanted_fen = sum(receiver["amount"] for receiver in body["receivers"])
        if wanted_fen > position.unsplit_fen:
            raise not_enough("分账金额不足")
        # Of what is kept: a refund lowers what may be shared in the same proportion.
        most_fen = position.kept_fen * self._vendor.mode.share_max_bp // 10_000
        if position.shared_fen + wanted_fen > most_fen:
            raise against_the_rules(
                "分账金额超出最大分账比例，最大可分账金额需等比例扣除退款与补差回退等逆向交易金额"
            )

    def _share(self, dialect: Dialect, body: Doc, payment: Doc, *, unfreezes: bool) -> Doc:
        return {
            "dialect": dialect.name,
            "request": body,
            "out_order_no": body["out_order_no"],
            "order_id": "3008" + digits(24),
            "out_trade_no": payment["out_trade_no"],
            "transaction_id": payment["transaction_id"],
            "sub_mchid": payment.get("sub_mchid"),
            "state": "PROCESSING",
            "unfreezes": unfreezes,
        }

    def _pending(self, receiver: Doc) -> Doc:
        kept = {name: value for name, value in receiver.items() if name != "name"}
        return kept | {
            "result": "PENDING",
            "create_time": self._vendor.stamp(),
            "detail_id": "3601" + digits(24),
        }

    def _accept(self, share: Doc, payment: Doc, *, finishes: bool) -> Answer:
        self._books.put_share(share)
        brand = payment.get("brand", False) or share["dialect"] == BRAND.name
        unfrozen = payment.get("unfrozen", False) or finishes
        self._books.put_payment(payment | {"brand": brand, "unfrozen": unfrozen})
        self._vendor.later(ENDS_AFTER_S, partial(self.finish, share["out_order_no"]))
        return self._shown(share)

    # --- done ---------------------------------------------------------------------------------

    def finish(self, out_order_no: str) -> None:
        """End a share as the mode says; nobody is told.

        The real one sends its notices of shares to the address that each *receiver* has set in
        its own console, so whoever asked for a share has to query.
        """
        with self._vendor.lock:
            share = self._books.share(out_order_no)
            if share is None or share["state"] != "PROCESSING":
                return
            end = "SUCCESS" if share["unfreezes"] else self._vendor.mode.shares_end
            for receiver in share["receivers"]:
                receiver |= {"result": end, "finish_time": self._vendor.stamp()}
                if end == "CLOSED":
                    receiver["fail_reason"] = "ACCOUNT_ABNORMAL"
            self._books.put_share(share | {"state": "FINISHED"})
            if end == "SUCCESS":
                for receiver in shared_to(share):
                    self._move(share, receiver)

    def _move(self, share: Doc, receiver: Doc) -> None:
        moved = {
            "at": receiver["finish_time"],
            "business_no": share["order_id"],
            "name": "分账",
            "kind": "分账",
            "voucher": share["out_order_no"],
            "applicant": "system",
            "remark": receiver["description"],
        }
        payer = share["sub_mchid"] or self._vendor.keys.mchid
        self._books.move(payer, -receiver["amount"], moved)
        if receiver["type"] == "MERCHANT_ID":
            self._books.move(receiver["account"], receiver["amount"], moved)

    # --- queries ------------------------------------------------------------------------------

    def _query(self, call: Call) -> Answer:
        call.check_query(("transaction_id",), ("sub_mchid",))
        return self._shown(self._found(PLAIN, call.numbers[0], call.query))

    def _query_brand(self, call: Call) -> Answer:
        call.check_query(("sub_mchid", "transaction_id", "out_order_no"))
        return self._shown(self._found(BRAND, call.query["out_order_no"], call.query))

    def _found(self, dialect: Dialect, number: str, query: dict[str, str]) -> Doc:
        share = self._books.share(number)
        asked = (dialect.name, query["transaction_id"], query.get("sub_mchid"))
        if share is None or asked != (
            share["dialect"],
            share["transaction_id"],
            share["sub_mchid"],
        ):
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        return share

    def _amounts(self, dialect: Dialect, call: Call) -> Answer:
        call.check_query(())
        payment = self._books.transaction(call.numbers[0])
        if payment is None:
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        frozen = self.is_frozen(payment, dialect)
        rest_fen = self._books.position(payment).unsplit_fen if frozen else 0
        return {"transaction_id": payment["transaction_id"], "unsplit_amount": rest_fen}

    def _ratio(self, name: str, call: Call) -> Answer:
        call.check_query(())
        if not self._books.knows_merchant(call.numbers[0]):
            raise Refused(403, "NO_AUTH", "无分账权限")
        return {name: call.numbers[0], "max_ratio": self._vendor.mode.share_max_bp}

    def _shown(self, share: Doc) -> Doc:
        dialect = DIALECTS[share["dialect"]]
        shown = {name: share[name] for name in ("transaction_id", "out_order_no", "order_id")}
        if share["sub_mchid"]:
            shown["sub_mchid"] = share["sub_mchid"]
        if "brand_mchid" in share["request"]:
            shown["brand_mchid"] = share["request"]["brand_mchid"]
        return shown | {dialect.state: share["state"], "receivers": share["receivers"]}
