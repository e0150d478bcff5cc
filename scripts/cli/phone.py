"""`phone`: what a guest does on the phone besides the mini-program's calls."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cli.place import data_option
from localcloud.client import LocalCloudClient, connected

as_option = click.option(
    "--as", "openid", metavar="OPENID", required=True, help="The phone's user."
)


@click.group()
def phone() -> None:
    """Be the guest's phone: confirm a payment, allow the number (local cloud only)."""


@phone.command()
@click.argument("order_id")
@as_option
@data_option
def pay(order_id: str, openid: str, data_folder: Path) -> None:
    """Pay ORDER_ID: prepay it, then confirm as wx.requestPayment and a password do."""
    with connected(data_folder) as cloud:
        prepaid = _ok(cloud, "pay", openid, {"action": "prepay", "order_id": order_id})
        if prepaid["status"] == "paying":
            confirmed = cloud.pay(openid, prepaid["payment"])
            if confirmed.get("trade_state") != "SUCCESS":
                sys.exit(f"WeChat Pay refused: {confirmed.get('code')} {confirmed.get('message')}")
        cloud.control("drain")
        status = _ok(cloud, "pay", openid, {"action": "status", "order_id": order_id})
    click.echo(f"{order_id}: {status['status']}")


@phone.command(name="allow-number")
@click.argument("number")
@as_option
@data_option
def allow_number(number: str, openid: str, data_folder: Path) -> None:
    """Allow the mini-program to have NUMBER, and bind it to the member."""
    with connected(data_folder) as cloud:
        code = cloud.phone_code(number)
        bound = _ok(cloud, "member-profile", openid, {"action": "bind_phone", "code": code})
    click.echo(json.dumps(bound))


def _ok(cloud: LocalCloudClient, function: str, openid: str, data: dict[str, Any]) -> Any:
    answer = cloud.member_call(function, openid, data)
    if not answer["ok"]:
        error = answer["error"]
        sys.exit(f"{function} {data['action']}: {error['code']} {error['message']}")
    return answer["data"]
