"""`invoke`: call one function, as a member or as an internal caller."""

from __future__ import annotations

import json
import sys

import click

from cli.documents import parse_object
from cli.place import Environment, environment_options
from huitou.runtime.errors import HuitouError
from localcloud.client import CallFailed, LocalCloudClient


@click.command()
@click.argument("function")
@click.argument("data", metavar="JSON", default="{}")
@click.option("--as", "openid", metavar="OPENID", help="Call as the member behind this OpenID.")
@environment_options
def invoke(environment: Environment, function: str, data: str, openid: str | None) -> None:
    """Call FUNCTION with a JSON object and print its answer.

    With --as the call comes from the mini-program of that (made-up) WeChat user; without it, from
    an internal caller through Tencent's API, as timers and operators call. Exit code 1 if the
    answer is an error.

    \b
    scripts/huitou invoke member-profile '{"action": "login"}' --as alice
    scripts/huitou invoke pay '{"action": "quote", "store_id": "jingan",
        "items": [{"dish_id": "milk-tea", "sku_id": "l", "quantity": 2}]}' --as alice
    scripts/huitou invoke maintenance '{"action": "dead_letters"}'
    """
    try:
        event = parse_object(data, "the event")
    except click.ClickException as refused:
        raise click.BadParameter(refused.message, param_hint="JSON") from None
    if openid is not None and environment.env_id is not None:
        raise click.UsageError("--as is for the local cloud; members are WeChat's to vouch for")
    try:
        with environment.open() as place:
            if openid is not None and isinstance(place, LocalCloudClient):
                answer = place.member_call(function, openid, event)
            else:
                answer = place.internal_call(function, event)
    except (CallFailed, HuitouError) as failed:
        detail = failed.detail if isinstance(failed, HuitouError) else str(failed)
        sys.exit(f"no answer: {detail}")
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    sys.exit(0 if answer.get("ok") else 1)
