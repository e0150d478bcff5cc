"""Shares returned: a merchant gives back what a share brought it, before the guest is refunded."""

from __future__ import annotations

from localcloud.wechat_pay.books import Doc, shared_to
from localcloud.wechat_pay.errors import Refused, against_the_rules, wrong_field
from localcloud.wechat_pay.fields import check_body, same_request
from localcloud.wechat_pay.sharing_schemes import BRAND, DIALECTS, PLAIN, Dialect
from localcloud.wechat_pay.vendor import Answer, Call, Route, Vendor, digits


class ShareReturns:
    """What `…/return-orders` (brands: `…/returnorders`) answer."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor, self._books = vendor, vendor.books

    def routes(self) -> list[Route]:
        plain, brand = "/v3/profitsharing/return-orders", "/v3/brand/profitsharing/returnorders"
        return [
            Route("POST", plain, lambda call: self._create(PLAIN, call)),
            Route("POST", brand, lambda call: self._create(BRAND, call)),
            Route("GET", plain + "/([^/]+)", self._query),
            Route("GET", brand, self._query_brand),
        ]

    def _create(self, dialect: Dialect, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, dialect.returns)
        share = self._share_of(dialect, body)
        known = self._books.returned(body["out_return_no"])
        if known is not None:
            if not same_request(known["request"], body):
                raise against_the_rules("商户回退单号重复，且与之前请求不一致")
            return self._shown(self._gone_on(known))
        self._check(share, body)
        back = {
            "dialect": dialect.name,
            "request": body,
            "out_return_no": body["out_return_no"],
            "return_no": "3008" + digits(24),
            "order_id": share["order_id"],
            "out_order_no": share["out_order_no"],
            "out_trade_no": share["out_trade_no"],
            "sub_mchid": share["sub_mchid"],
            "return_mchid": body["return_mchid"],
            "amount": body["amount"],
            "description": body["description"],
            "result": "PROCESSING",
            "create_time": self._vendor.stamp(),
        }
        return self._shown(self._gone_on(back))

    def _share_of(self, dialect: Dialect, body: Doc) -> Doc:
        if ("order_id" in body) == ("out_order_no" in body):
            raise wrong_field("out_order_no", "this or order_id, and not both")
        share = (
            self._books.share_by_id(body["order_id"])
            if "order_id" in body
            else self._books.share(body["out_order_no"])
        )
        asked = (dialect.name, body.get("sub_mchid"))
        if share is None or (share["dialect"], share["sub_mchid"]) != asked:
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        return share

    def _check(self, share: Doc, body: Doc) -> None:
        """Refuse more than this merchant got of the share; only merchants can return anything."""
        got_fen = sum(
            receiver["amount"]
            for receiver in shared_to(share)
            if receiver["result"] == "SUCCESS"
            and (receiver["type"], receiver["account"]) == ("MERCHANT_ID", body["return_mchid"])
        )
        if got_fen == 0:
            raise against_the_rules("回退商户号不是该分账单的商户接收方")
        before_fen = sum(
            back["amount"]
            for back in self._books.returns_of(share["out_trade_no"])
            if back["out_order_no"] == share["out_order_no"]
            and back["return_mchid"] == body["return_mchid"]
            and back["result"] != "FAILED"
        )
        if before_fen + body["amount"] > got_fen:
            raise against_the_rules("回退金额超过分账金额")

    def _gone_on(self, back: Doc) -> Doc:
        """End a return as the mode says, unless that is to stay under way."""
        end = self._vendor.mode.returns_end
        if back["result"] == "PROCESSING" and end != "PROCESSING":
            back = back | {"result": end, "finish_time": self._vendor.stamp()}
            if end == "FAILED":
                back["fail_reason"] = "ACCOUNT_ABNORMAL"
            else:
                self._move(back)
        self._books.put_return(back)
        return back

    def _move(self, back: Doc) -> None:
        moved = {
            "at": back["finish_time"],
            "business_no": back["return_no"],
            "name": "分账",
            "kind": "分账回退",
            "voucher": back["out_return_no"],
            "applicant": "system",
            "remark": back["description"],
        }
        payer = back["sub_mchid"] or self._vendor.keys.mchid
        self._books.move(back["return_mchid"], -back["amount"], moved)
        self._books.move(payer, back["amount"], moved)

    def _query(self, call: Call) -> Answer:
        call.check_query(("out_order_no",), ("sub_mchid",))
        return self._shown(self._found(PLAIN, call.numbers[0], call.query))

    def _query_brand(self, call: Call) -> Answer:
        call.check_query(("sub_mchid", "out_return_no"), ("out_order_no", "order_id"))
        return self._shown(self._found(BRAND, call.query["out_return_no"], call.query))

    def _found(self, dialect: Dialect, number: str, query: dict[str, str]) -> Doc:
        back = self._books.returned(number)
        wrong = back is None or any(
            query[name] != back[name] for name in ("out_order_no", "order_id") if name in query
        )
        if back is None or wrong or back["sub_mchid"] != query.get("sub_mchid"):
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        if back["dialect"] != dialect.name:
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        return self._gone_on(back)

    def _shown(self, back: Doc) -> Doc:
        dialect = DIALECTS[back["dialect"]]
        names = (
            "order_id",
            "out_order_no",
            "out_return_no",
            "return_mchid",
            "amount",
            "description",
            "fail_reason",
            "create_time",
            "finish_time",
            "sub_mchid",
        )
        shown = {name: back[name] for name in names if back.get(name) is not None}
        result = dialect.failed if back["result"] == "FAILED" else back["result"]
        return shown | {dialect.return_id: back["return_no"], "result": result}
