"""`wechat-pay`: let the WeChat Pay stand-in make errors, and show its books."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.place import data_option
from localcloud.client import LocalCloudClient, connected
from localcloud.wechat_pay import FORGERIES, PLANTS


@click.group(name="wechat-pay")
def wechat_pay() -> None:
    """Make the local cloud's WeChat Pay misbehave (local cloud only).

    \b
    scripts/huitou wechat-pay mode copies=3 delay_s=2     each notice thrice, two seconds late
    scripts/huitou wechat-pay mode copies=0               notices get lost
    scripts/huitou wechat-pay mode refunds_end=CLOSED     refunds come to nothing
    scripts/huitou wechat-pay mode                        show every switch
    scripts/huitou wechat-pay forge amount                a notice of another amount
    scripts/huitou wechat-pay plant fee --day 2026-04-20  an error in that day's bill
    scripts/huitou wechat-pay books                       what it took, gave back, shared
    """


@wechat_pay.command()
@click.argument("switches", nargs=-1, metavar="[NAME=VALUE]...")
@data_option
def mode(switches: tuple[str, ...], data_folder: Path) -> None:
    """Set switches for as long as the cloud is up, and show all of them.

    Values are JSON, or a plain word: copies=2 (of each notice; 0 loses them), delay_s=1.5,
    reorder=true, down=true, answer_lost=true, fail_next='["SYSTEM_ERROR"]', refunds_end, shares_end
    and returns_end as WeChat Pay names ends, signs_with=certificate, fee_bp=38.
    """
    changes = dict(_switch(switch) for switch in switches)
    with connected(data_folder) as cloud:
        click.echo(json.dumps(_control(cloud, "wechat-pay/mode", **changes), indent=2))


@wechat_pay.command()
@click.argument("kind", type=click.Choice(PLANTS))
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="A day in Shanghai, 0 to 24 h.")
@data_option
def plant(kind: str, day: str, data_folder: Path) -> None:
    """Put an error into WeChat Pay's books of a day, for `pay reconcile` to find."""
    with connected(data_folder) as cloud:
        planted = _control(cloud, "wechat-pay/plant", kind=kind, day=day)
    click.echo(json.dumps(planted))


@wechat_pay.command()
@click.argument("kind", type=click.Choice(FORGERIES))
@click.option("--payment", default="", metavar="OUT_TRADE_NO", help="Default: the last payment.")
@data_option
def forge(kind: str, payment: str, data_folder: Path) -> None:
    """Send our door a notice that is wrong in one way, and show what it answers."""
    with connected(data_folder) as cloud:
        answered = _control(cloud, "wechat-pay/forge", kind=kind, out_trade_no=payment)
    click.echo(json.dumps(answered, ensure_ascii=False))


@wechat_pay.command()
@data_option
def release(data_folder: Path) -> None:
    """Send the notices that reorder=true holds back, the last one first."""
    with connected(data_folder) as cloud:
        click.echo(json.dumps(_control(cloud, "wechat-pay/release")))


@wechat_pay.command()
@data_option
def books(data_folder: Path) -> None:
    """Show what WeChat Pay took, gave back, kept as fees and shared out, in fen."""
    with connected(data_folder) as cloud:
        click.echo(json.dumps(_control(cloud, "wechat-pay/books"), indent=2))


def _switch(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text}: NAME=VALUE is needed")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _control(cloud: LocalCloudClient, name: str, **body: object) -> dict[str, Any]:
    answer = cloud.control(name, **body)
    if "errCode" in answer:
        raise click.ClickException(str(answer["errMsg"]))
    return answer
