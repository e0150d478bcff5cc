"""Redemption codes on a real database: hard to guess, one holder each, one error for all."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.coupons.codes.errors import CodeErrors
from huitou.coupons.codes.models import CodesRequest, MakeCodesRequest
from huitou.coupons.codes.rules import ALPHABET, LENGTH, codes, read
from huitou.coupons.codes.service import TRIES_PER_HOUR, Codes
from huitou.coupons.issuing.rules import coupon_id
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

KEY = b"k" * 32


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def batch(shop: Shop) -> Codes:
    made = Codes(shop.database, shop.clock, KEY)
    made.make_batch(a_batch())
    return made


def a_batch(name: str = "spring", count: int = 50) -> MakeCodesRequest:
    return MakeCodesRequest(batch=name, template_id="silver-30-8", count=count, actor="ann")


def codes_of(batch: Codes, name: str = "spring") -> list[str]:
    return batch.list_codes(CodesRequest(batch=name)).codes


def refusal_of(batch: Codes, member_id: str, code: str) -> tuple[Code, str, str | None]:
    with pytest.raises(Refusal) as refusal:
        batch.redeem_code(member_id, code)
    return refusal.value.code, refusal.value.message(), refusal.value.field


def all_typos(code: str) -> Iterator[str]:
    for place, right in enumerate(code):
        for letter in ALPHABET:
            if letter != right:
                yield code[:place] + letter + code[place + 1 :]
    for place in range(len(code) - 1):
        if code[place] != code[place + 1]:
            yield code[:place] + code[place + 1] + code[place] + code[place + 2 :]


def test_every_wrong_letter_and_every_swap_is_found_without_the_database() -> None:
    for number in (0, 1, 77, 999_999):
        code = next(codes(KEY, 5, number, 1)).replace("-", "")
        assert len(code) == LENGTH
        assert read(code) is not None
        assert not any(read(wrong) for wrong in all_typos(code))


def test_codes_have_no_look_alike_letters_and_may_be_typed_in_small_letters() -> None:
    assert not set("0OQD1IL2Z5S8B") & set(ALPHABET)
    code = next(codes(KEY, 0, 0, 1))
    assert read(code) == read(f"  {code.lower().replace('-', ' ')} ")
    assert read("") is read("0" * 16) is None


def test_all_codes_of_a_batch_differ_and_depend_on_the_key() -> None:
    made = list(codes(KEY, 3, 0, 20_000))
    tags = {code.replace("-", "")[8:15] for code in made}
    assert len(set(made)) == 20_000
    assert len(tags) > 19_990
    # With another key, no code is the same, so the number alone doesn't tell the code.
    assert not set(made) & set(codes(b"x" * 32, 3, 0, 20_000))


def test_a_batch_is_made_once_and_its_codes_are_the_same_each_time(batch: Codes) -> None:
    first = codes_of(batch)
    batch.make_batch(a_batch())
    assert codes_of(batch) == first
    parts = [batch.list_codes(CodesRequest(batch="spring", after=n, limit=20)) for n in (0, 20, 40)]
    assert [code for part in parts for code in part.codes] == first
    assert [part.next for part in parts] == [20, 40, None]
    with pytest.raises(Refusal) as refusal:
        batch.make_batch(a_batch(count=51))
    assert refusal.value.code is CodeErrors.BATCH_REUSED
    batch.make_batch(a_batch("autumn"))
    assert not set(codes_of(batch, "autumn")) & set(first)


def test_batches_that_are_made_at_once_get_different_numbers(shop: Shop) -> None:
    batch = Codes(shop.database, shop.clock, KEY)
    at_once([lambda n=n: batch.make_batch(a_batch(f"b{n}")) for n in range(8)])
    numbers = [b["number"] for b in shop.database.collection("code_batches").find({})]
    assert sorted(numbers) == list(range(8))


def test_redeeming_a_code_twice_returns_the_same_coupon(shop: Shop, batch: Codes) -> None:
    alice = shop.register()
    code = codes_of(batch)[7]
    coupon = batch.redeem_code(alice, code)
    assert batch.redeem_code(alice, code.lower()) == coupon
    assert shop.database.collection("coupons").count_documents({"member_id": alice}) == 1
    assert batch.list_batches(10).batches[0].redeemed == 1


def test_if_many_members_redeem_one_code_at_once_one_gets_it(shop: Shop, batch: Codes) -> None:
    code = codes_of(batch)[0]
    members = [shop.register(f"g{n}") for n in range(8)]
    results = at_once([lambda m=m: batch.redeem_code(m, code) for m in members])
    assert len(winners(results)) == 1
    assert {r.code for r in results if isinstance(r, Refusal)} == {CodeErrors.CODE_NOT_VALID}
    issued = {"_id": coupon_id("code:spring:0")}
    assert shop.database.collection("coupons").count_documents(issued) == 1


def test_if_a_function_is_killed_before_the_coupon_is_issued_the_next_call_issues_it(
    shop: Shop, batch: Codes
) -> None:
    alice, code = shop.register(), codes_of(batch)[3]
    batch.redeem_code(alice, code)
    shop.database.collection("coupons").delete_many({"member_id": alice})  # As if killed.
    assert batch.redeem_code(alice, code).status == "issued"


def test_the_error_does_not_tell_why_a_code_is_not_valid(shop: Shop, batch: Codes) -> None:
    alice, mallory = shop.register(), shop.register("mallory")
    batch.make_batch(a_batch("ended"))
    ended = codes_of(batch, "ended")[0]
    batch.revoke_batch("ended", "ann")
    used = codes_of(batch)[0]
    batch.redeem_code(alice, used)
    beyond = next(codes(KEY, 0, 10, 1))
    right = codes_of(batch)[1]
    forged = right[:10] + ("4" if right[10] != "4" else "6") + right[11:]
    answers = {
        refusal_of(batch, mallory, code)
        for code in (
            "nonsense",
            "",
            forged,
            used,
            ended,
            beyond,
            "A" * 16,
            right.replace(right[0], "0"),
        )
        if code
    }
    assert answers == {(CodeErrors.CODE_NOT_VALID, "兑换码无效", "code")}


def test_a_mistyped_code_does_not_count_as_a_try(shop: Shop, batch: Codes) -> None:
    """A wrong letter changes the check letter: whoever guesses learns nothing of it."""
    alice, right = shop.register(), codes_of(batch)[0]
    slip = right[:-1] + ("4" if right[-1] != "4" else "6")
    for typed in (slip, right[:-1], f"{right}A", "兑换码") * 5:
        assert refusal_of(batch, alice, typed)[0] is CodeErrors.CODE_NOT_VALID
    full_width = right.replace("-", "－") + "\r\n"
    assert batch.redeem_code(alice, full_width).status == "issued"


def test_after_ten_wrong_codes_a_right_one_is_refused_for_an_hour(shop: Shop, batch: Codes) -> None:
    mallory, alice = shop.register("mallory"), shop.register()
    right = codes_of(batch)
    batch.redeem_code(mallory, right[0])  # A right code doesn't count as a try.
    guess = next(codes(b"another chain's key", 0, 1, 1))
    at_once([lambda: refusal_of(batch, mallory, guess)] * 30)
    assert refusal_of(batch, mallory, right[1])[0] is Code.TOO_MANY_TRIES
    assert batch.redeem_code(alice, right[1])  # Other members aren't refused.
    shop.database.collection("code_tries").update_one(
        {"_id": mallory}, {"$inc": {"since": -3_601.0}}
    )
    assert batch.redeem_code(mallory, right[2])
    assert TRIES_PER_HOUR == 10


def test_of_random_codes_one_in_23_has_a_right_check_letter() -> None:
    rng, hits = random.Random(1), 0
    for _ in range(2_000):
        letters = "".join(rng.choices(ALPHABET, k=LENGTH))
        hits += read(letters) is not None
    assert 40 < hits < 150
