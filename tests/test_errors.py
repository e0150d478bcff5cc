"""Each error code belongs to one area, has words in both languages, and is really raised."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from bootstrap import ROOT
from huitou.integrations.functions import RefusedThere
from huitou.loyalty.adjustments import errors as adjustments
from huitou.loyalty.adjustments import models as adjustment_models
from huitou.marketing.campaigns import errors as campaigns
from huitou.marketing.campaigns import models as campaign_models
from huitou.ordering.orders import errors as orders
from huitou.ordering.orders import models as order_models
from huitou.payments.refunds import errors as refunds
from huitou.payments.refunds import models as refund_models
from huitou.runtime.areas import modules_named
from huitou.runtime.errors import Code, ErrorCode, Refusal, Words, all_codes

SOURCES = [
    path.read_text(encoding="utf-8")
    for folder in ("layers/core", "functions")
    for path in (ROOT / folder).rglob("*.py")
]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_a_code_belongs_to_one_area() -> None:
    list(modules_named("errors"))
    names = [code.name for kind in ErrorCode.__subclasses__() for code in kind]
    assert len(names) == len(set(names)) == len(all_codes()) >= 80


@pytest.mark.parametrize("code", all_codes().values(), ids=lambda code: code.name)
def test_a_code_has_words_in_both_languages_and_is_raised_somewhere(code: ErrorCode) -> None:
    assert CHINESE.search(code.chinese)
    assert not CHINESE.search(code.english)
    assert ("{detail}" in code.chinese) == ("{detail}" in code.english)
    named = f"{type(code).__name__}.{code.name}"
    assert any(named in source for source in SOURCES)


@pytest.mark.parametrize(
    ("words", "states"),
    [
        (orders.ORDER_STATUS, get_args(order_models.Status)),
        (refunds.REFUND_STATUS, get_args(refund_models.RefundStatus)),
        (campaigns.CAMPAIGN_STATUS, get_args(campaign_models.Status)),
        (adjustments.ADJUSTMENT_STATUS, get_args(adjustment_models.AdjustmentStatus)),
    ],
    ids=["orders", "refunds", "campaigns", "adjustments"],
)
def test_every_state_has_words(words: dict[str, Words], states: tuple[str, ...]) -> None:
    assert set(words) == set(states)
    for chinese, english in words.values():
        assert CHINESE.search(chinese)
        assert not CHINESE.search(english)


def test_an_english_message_has_no_chinese_detail() -> None:
    """A detail with Chinese words must have English words beside them."""
    for source in SOURCES:
        assert not re.search(r'detail=f?"[^"]*[\u4e00-\u9fff]', source)
    refused = Refusal(Code.NOT_FOUND, field="order_id", detail=orders.ORDER)
    assert refused.message("en") == "Not found: order"
    assert refused.message("zh") == "未找到：订单"
    assert refused.detail == "order"


def test_an_error_code_that_is_not_known_yet_keeps_its_message() -> None:
    known = RefusedThere({"code": "GIFT_GONE", "message": "gone", "field": "gift"})
    assert (known.code.name, known.field, known.message()) == ("GIFT_GONE", "gift", "gone")
    newer = RefusedThere({"code": "OF_TOMORROW", "message": "明天再来"})
    assert (newer.code, newer.message()) == (Code.INTERNAL, "明天再来")
