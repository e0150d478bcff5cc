"""Our client against WeChat Pay's stand-in: parties, certificates, bills, and retries."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chain_data import FakeClock
from huitou.payments.charges.rules import certificate_span
from huitou.payments.profit_sharing.models import Receiver
from huitou.payments.wechat_pay import client as wechat_pay
from huitou.payments.wechat_pay.client import WeChatPay, WeChatPayRefusal
from huitou.payments.wechat_pay.service import PlatformKeys
from huitou.payments.wechat_pay.sharing_client import ProfitSharing, Source
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.settings import Settings
from localcloud.keys import LocalSecrets
from sharing_till import AtWeChat

STORE = "1900000110"


@pytest.fixture
def gateway(at_wechat: AtWeChat) -> WeChatPay:
    return at_wechat.gateway()


def order(gateway: WeChatPay, clock: FakeClock, sub_mchid: str | None = None) -> str:
    return gateway.prepay(
        merchant=gateway.merchant_for(sub_mchid),
        out_trade_no="order1n1",
        description="奶茶",
        amount_fen=1_500,
        openid="alice",
        expires_at=clock.now() + timedelta(minutes=15),
        profit_sharing=False,
    )


@pytest.mark.parametrize("sub_mchid", [None, STORE])
def test_an_order_is_placed_paid_and_found_for_its_merchant(
    gateway: WeChatPay, at_wechat: AtWeChat, clock: FakeClock, sub_mchid: str | None
) -> None:
    merchant = gateway.merchant_for(sub_mchid)
    assert gateway.query(merchant, "order1n1") is None
    prepay_id = order(gateway, clock, sub_mchid)
    assert order(gateway, clock, sub_mchid) == prepay_id
    at_wechat.standin.pay("alice", gateway.client_parameters(prepay_id))
    found = gateway.query(merchant, "order1n1")
    assert found is not None
    assert (found["trade_state"], found.get("sub_mchid")) == ("SUCCESS", sub_mchid)
    with pytest.raises(WeChatPayRefusal) as refused:
        gateway.close(merchant, "order1n1")
    assert refused.value.reason == "ORDERPAID"
    gateway.refund(
        merchant=merchant,
        out_refund_no="refund1",
        out_trade_no="order1n1",
        amount_fen=500,
        total_fen=1_500,
        reason="退款",
    )
    at_wechat.happen()
    done = gateway.query_refund(merchant, "refund1")
    assert done is not None
    assert (done["status"], done["amount"]["refund"]) == ("SUCCESS", 500)


@pytest.mark.parametrize("sub_mchid", [None, STORE])
def test_a_closed_order_cant_be_paid(
    gateway: WeChatPay, clock: FakeClock, sub_mchid: str | None
) -> None:
    order(gateway, clock, sub_mchid)
    merchant = gateway.merchant_for(sub_mchid)
    gateway.close(merchant, "order1n1")
    found = gateway.query(merchant, "order1n1")
    assert found is not None
    assert found["trade_state"] == "CLOSED"


def test_another_merchants_order_is_not_found(gateway: WeChatPay, clock: FakeClock) -> None:
    order(gateway, clock, STORE)
    assert gateway.query(gateway.merchant_for(None), "order1n1") is None


def test_with_a_provider_that_has_its_own_app_the_guest_pays_in_ours(
    at_wechat: AtWeChat, clock: FakeClock
) -> None:
    at_wechat.settings = replace(at_wechat.settings, appid="wxminiprogram")
    gateway = at_wechat.gateway()
    prepay_id = order(gateway, clock, STORE)
    request = at_wechat.standin.payment("order1n1")["request"]
    assert (request["sp_appid"], request["sub_appid"]) == (at_wechat.keys.appid, "wxminiprogram")
    assert request["payer"] == {"sub_openid": "alice"}
    at_wechat.standin.pay("alice", gateway.client_parameters(prepay_id))
    person = Receiver(account="bob", type="PERSONAL_OPENID", relation_type="STAFF", name="")
    ProfitSharing(gateway).add_receiver(Source(gateway.merchant_for(STORE)), person)
    owner = f"plain:{STORE}"
    assert at_wechat.standin.ledger.receiver(owner, "PERSONAL_SUB_OPENID", "bob")


@pytest.mark.parametrize("reason", ["SYSTEM_ERROR", "FREQUENCY_LIMITED", "BANK_ERROR"])
def test_a_temporary_error_is_unavailable(
    gateway: WeChatPay, at_wechat: AtWeChat, reason: str
) -> None:
    at_wechat.standin.mode.fail_next = [reason]
    with pytest.raises(Unavailable):
        gateway.query(gateway.merchant_for(None), "order1n1")


def test_an_answer_signed_by_an_unknown_key_is_not_trusted(
    gateway: WeChatPay, at_wechat: AtWeChat, clock: FakeClock
) -> None:
    at_wechat.standin.mode.signs_with = "certificate"
    with pytest.raises(Unavailable):
        order(gateway, clock)


def test_the_settings_may_name_a_provider_and_take_both_kinds_of_key(
    at_wechat: AtWeChat,
) -> None:
    keys = at_wechat.keys
    one, other = keys.platform_certificate.certificate, keys.platform_public_key
    variables = {
        "WECHAT_APPID": "wxours",
        "WECHAT_PAY_MCHID": keys.mchid,
        "WECHAT_PAY_MERCHANT_SERIAL": keys.merchant_serial,
        "WECHAT_PAY_MERCHANT_KEY": keys.merchant_private_key.replace("\n", "\\n"),
        "WECHAT_PAY_API_V3_KEY": keys.api_v3_key,
        "WECHAT_PAY_PLATFORM_KEYS": f"A={one};B={other}".replace("\n", "\\n"),
        "WECHAT_PAY_NOTIFY_URL": "https://chain.example/pay/notify",
    }
    found = Settings(variables).wechat_pay
    assert (found.sp_appid, found.platform_keys) == ("wxours", {"A": one, "B": other})
    provider = {**variables, "WECHAT_PAY_SP_APPID": "wxprovider"}
    assert Settings(provider).wechat_pay.sp_appid == "wxprovider"


# --- certificates ---------------------------------------------------------------------------------


def test_certificates_encrypted_for_us_are_trusted_even_if_they_sign_themselves(
    gateway: WeChatPay, at_wechat: AtWeChat
) -> None:
    for signs_with in ("public_key", "certificate"):
        at_wechat.standin.mode.signs_with = signs_with
        serial = at_wechat.keys.platform_certificate.serial
        assert gateway.certificates() == {serial: at_wechat.keys.platform_certificate.certificate}


def test_certificates_encrypted_for_somebody_else_are_not_trusted(at_wechat: AtWeChat) -> None:
    at_wechat.settings = replace(at_wechat.settings, api_v3_key=b"x" * 32)
    gateway = at_wechat.gateway()
    with pytest.raises(Unavailable):
        gateway.certificates()


def test_in_public_key_mode_there_are_no_certificates(
    gateway: WeChatPay, at_wechat: AtWeChat
) -> None:
    at_wechat.standin.mode.fail_next = ["RESOURCE_NOT_EXISTS"]
    assert gateway.certificates() == {}


def test_refreshed_certificates_are_trusted_beside_the_settings_key(
    database: Database, at_wechat: AtWeChat, clock: FakeClock
) -> None:
    keys = PlatformKeys(database, at_wechat.settings)
    gateway = at_wechat.gateway(keys.trusted_keys)
    assert set(keys.trusted_keys()) == {at_wechat.keys.platform_serial}
    assert keys.refresh_certificates(gateway) == "refreshed"
    assert keys.refresh_certificates(gateway) == "early"
    assert [path for _, path in at_wechat.door.calls] == ["/v3/certificates"]
    later = PlatformKeys(database_a_minute_later(database), at_wechat.settings)
    gateway = at_wechat.gateway(later.trusted_keys)
    for signs_with in ("public_key", "certificate"):
        at_wechat.standin.mode.signs_with = signs_with
        assert gateway.query(gateway.merchant_for(None), "order1n1") is None


def test_a_new_certificate_is_fetched_in_time_and_the_old_one_stays_trusted(
    database: Database, at_wechat: AtWeChat
) -> None:
    keys = PlatformKeys(database, at_wechat.settings)
    gateway = at_wechat.gateway(keys.trusted_keys)
    keys.refresh_certificates(gateway)
    made = at_wechat.standin.rotate_certificate()
    its_time(database)
    assert keys.refresh_certificates(gateway) == "refreshed"
    later = PlatformKeys(database_a_minute_later(database), at_wechat.settings)
    assert {made.serial, at_wechat.keys.platform_certificate.serial} < set(later.trusted_keys())


def test_an_expired_certificate_is_trusted_no_more(database: Database, at_wechat: AtWeChat) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    database.collection("platform_certificates").insert_one(
        {"_id": "OLD", "schema": 1, "pem": "x", "expires_at": past}
    )
    keys = PlatformKeys(database, at_wechat.settings)
    assert "OLD" not in keys.trusted_keys()
    keys.refresh_certificates(at_wechat.gateway())
    assert database.collection("platform_certificates").find_one({"_id": "OLD"}) is None


def test_certificates_that_couldnt_be_fetched_are_requested_again_soon(
    database: Database, at_wechat: AtWeChat
) -> None:
    keys = PlatformKeys(database, at_wechat.settings)
    at_wechat.standin.mode.down = True
    with pytest.raises(Unavailable):
        keys.refresh_certificates(at_wechat.gateway())
    found = database.collection("platform_certificates").find_one({"_id": "refresh"})
    assert found
    assert found["next_at"] - datetime.now(UTC) < timedelta(minutes=11)


def its_time(database: Database) -> None:
    database.collection("platform_certificates").update_one(
        {"_id": "refresh"}, {"$set": {"next_at": datetime.now(UTC)}}
    )


def database_a_minute_later(database: Database) -> Database:
    """Return the same database as another instance has it: with an empty cache."""
    return Database(database.client, database.name)


def test_names_are_encrypted_under_the_public_key_or_the_newest_certificate(
    at_wechat: AtWeChat,
) -> None:
    old = at_wechat.keys.platform_certificate
    new = at_wechat.standin.rotate_certificate()
    assert certificate_span(old.certificate)[0] <= certificate_span(new.certificate)[0]
    trusted = {new.serial: new.certificate, old.serial: old.certificate}
    both = {**trusted, at_wechat.keys.platform_serial: at_wechat.keys.platform_public_key}
    for keys in (trusted, both):
        gateway = at_wechat.gateway(lambda keys=keys: keys)  # type: ignore[misc]
        at_wechat.standin.mode.signs_with = "certificate"
        receiver = Receiver(account="1900000101", name="平台公司", relation_type="PARTNER")
        ProfitSharing(gateway).add_receiver(Source(gateway.merchant_for(None)), receiver)
        found = at_wechat.standin.ledger.receiver(
            f"plain:{at_wechat.keys.mchid}", "MERCHANT_ID", "1900000101"
        )
        assert found is not None
        assert found["name"] == "平台公司"


# --- bills ----------------------------------------------------------------------------------------


@pytest.fixture
def yesterday(gateway: WeChatPay, at_wechat: AtWeChat, clock: FakeClock) -> str:
    """Pay an order, move the clock to the next noon, and return the day of the payment."""
    at_wechat.standin.pay("alice", gateway.client_parameters(order(gateway, clock)))
    day = clock.now().date().isoformat()
    clock.advance(days=1)
    return day


def test_a_days_bill_is_what_wechat_pay_wrote(gateway: WeChatPay, yesterday: str) -> None:
    trade = gateway.bill("trade", yesterday)
    assert trade is not None
    assert trade.startswith("\ufeff交易时间".encode())
    assert b"order1n1" in trade
    assert gateway.bill("fundflow", yesterday)


def test_a_day_without_business_has_no_bill(gateway: WeChatPay, clock: FakeClock) -> None:
    day = (clock.now() - timedelta(days=2)).date().isoformat()
    assert gateway.bill("trade", day) is None


def test_a_bill_that_is_being_written_is_unavailable(
    gateway: WeChatPay, at_wechat: AtWeChat, yesterday: str
) -> None:
    at_wechat.standin.mode.fail_next = ["STATEMENT_CREATING"]
    with pytest.raises(Unavailable):
        gateway.bill("trade", yesterday)


def test_a_providers_bill_has_its_stores_rows(
    gateway: WeChatPay, clock: FakeClock, at_wechat: AtWeChat
) -> None:
    at_wechat.standin.pay("alice", gateway.client_parameters(order(gateway, clock, STORE)))
    day = clock.now().date().isoformat()
    clock.advance(days=1)
    assert b"order1n1" in (gateway.bill("trade", day) or b"")


def spoil_files(at_wechat: AtWeChat, content: bytes) -> None:
    at_wechat.door.spoil = lambda path, sent: content if "billdownload" in path else sent


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"other"), gzip.compress(b"cut")[:-9], b""],
    ids=["not gzip", "another file", "cut off", "empty"],
)
def test_a_bill_with_another_hash_than_the_signed_one_is_refused(
    gateway: WeChatPay, at_wechat: AtWeChat, yesterday: str, content: bytes
) -> None:
    spoil_files(at_wechat, content)
    with pytest.raises(Unavailable):
        gateway.bill("trade", yesterday)


def test_a_bill_over_the_limit_is_refused_before_it_fills_the_memory(
    gateway: WeChatPay, at_wechat: AtWeChat, yesterday: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wechat_pay, "MAX_BILL_BYTES", 1_000)
    spoil_files(at_wechat, gzip.compress(b"0" * 1_000_000))
    with pytest.raises(WeChatPayRefusal) as refused:
        gateway.bill("trade", yesterday)
    assert refused.value.reason == "BILL_TOO_LARGE"


def test_our_signature_goes_to_no_other_host(
    keys: LocalSecrets, clock: FakeClock, at_wechat: AtWeChat, yesterday: str
) -> None:
    at_wechat.settings = replace(at_wechat.settings, base_url="https://elsewhere.test")
    gateway = at_wechat.gateway()
    with pytest.raises(WeChatPayRefusal) as refused:
        gateway.bill("trade", yesterday)
    assert refused.value.reason == "BILL_ADDRESS"
