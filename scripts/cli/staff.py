"""`staff`: open console accounts from the command line, also before anybody can sign in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import click
import pyotp
import segno
from rich.console import Console
from rich.table import Table

from cli.place import Environment, Place, data_option, environment_options
from huitou.operations.staff.models import Role
from localcloud.client import LocalCloudClient

_ROLES = {
    "owner": "老板", "marketing": "运营", "area_manager": "督导", "store_manager": "店长",
    "cashier": "收银", "finance": "财务", "franchisee": "加盟商",
}  # fmt: skip
_ACCOUNTS = "accounts.json"
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")


@click.group()
def staff() -> None:
    """Accounts of the operators' console.

    \b
    scripts/huitou staff add li --name 李老板 --role owner
    scripts/huitou staff add wang --name 王店长 --role store_manager --store jingan
    scripts/huitou staff list
    scripts/huitou staff reset li                a new password and one-time codes
    scripts/huitou staff code li                 the code of this moment (local cloud)
    """


@staff.command()
@click.argument("staff_id", metavar="NAME")
@click.option("--name", help="The person's name, as colleagues see it.")
@click.option(
    "--role", type=click.Choice(get_args(Role)), required=True,
    help=", ".join(f"{role} {chinese}" for role, chinese in _ROLES.items()),
)  # fmt: skip
@click.option("--store", "store_ids", multiple=True, metavar="ID",
              help="The person's store; for roles of stores, repeatable.")  # fmt: skip
@_json_option
@environment_options
def add(
    staff_id: str,
    name: str | None,
    role: Role,
    store_ids: tuple[str, ...],
    as_json: bool,
    environment: Environment,
) -> None:
    """Open an account that signs in as NAME; its secrets are shown once, here."""
    asked = {
        "staff_id": staff_id,
        "name": name or staff_id,
        "role": role,
        "store_ids": list(store_ids),
    }
    with environment.open() as place:
        _print_secrets(_store_link(place, _ask(place, {"action": "add_staff", **asked})), as_json)


@staff.command()
@click.argument("staff_id", metavar="NAME")
@_json_option
@environment_options
def reset(staff_id: str, as_json: bool, environment: Environment) -> None:
    """Give NAME a new password and new one-time codes; they are signed out everywhere."""
    with environment.open() as place:
        secrets = _ask(place, {"action": "reset_staff", "staff_id": staff_id})
        _print_secrets(_store_link(place, secrets), as_json)


@staff.command(name="list")
@_json_option
@environment_options
def list_(as_json: bool, environment: Environment) -> None:
    """List all accounts, their roles and stores."""
    with environment.open() as place:
        found = _ask(place, {"action": "staff"})["staff"]
    if as_json:
        click.echo(json.dumps({"staff": found}, ensure_ascii=False))
        return
    table = Table("signs in as", "name", "role", "stores", "status")
    for one in found:
        role = f"{one['role']} {_ROLES[one['role']]}"
        stores = ", ".join(one["store_ids"]) or "all"
        table.add_row(one["staff_id"], one["name"], role, stores, one["status"])
    Console().print(table)


@staff.command()
@click.argument("staff_id", metavar="NAME")
@data_option
def code(staff_id: str, data_folder: Path) -> None:
    """Print the one-time code of NAME at this moment, as their phone would.

    For accounts of the local cloud that were opened on this machine; nobody else's secrets are
    kept anywhere.
    """
    uri = _stored_links(data_folder).get(staff_id)
    if uri is None:
        sys.exit(f"{staff_id}: no account of this local cloud was opened here by that name")
    seed = parse_qs(urlsplit(uri).query)["secret"][0]
    click.echo(pyotp.TOTP(seed).now())


def open_account(place: Place, staff_id: str, name: str, role: Role) -> dict[str, Any]:
    """Open an account, or give an existing one new secrets; returns the secrets."""
    asked = {"staff_id": staff_id, "name": name, "role": role}
    answer = place.internal_call("console", {"action": "add_staff", **asked})
    if not answer["ok"]:
        answer = place.internal_call("console", {"action": "reset_staff", "staff_id": staff_id})
    if not answer["ok"]:
        sys.exit(str(answer["error"]["message"]))
    return _store_link(place, dict(answer["data"]))


def _stored_links(data_folder: Path) -> dict[str, str]:
    path = data_folder / _ACCOUNTS
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _store_link(place: Place, secrets: dict[str, Any]) -> dict[str, Any]:
    """Store a local account's link for `staff code`, because a laptop has no phone."""
    if isinstance(place, LocalCloudClient):
        kept = {**_stored_links(place.data), secrets["staff_id"]: secrets["uri"]}
        path = place.data / _ACCOUNTS
        path.touch(mode=0o600)
        path.write_text(json.dumps(kept))
    return secrets


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    answer = place.internal_call("console", {"lang": "en", **event})
    if not answer["ok"]:
        sys.exit(str(answer["error"]["message"]))
    return dict(answer["data"])


def _print_secrets(secrets: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(secrets, ensure_ascii=False))
        return
    click.echo(f"signs in as       {secrets['staff_id']}")
    click.echo(f"first password    {secrets['password']}    (to be changed at the first sign-in)")
    click.echo("one-time codes    scan this with an authenticator, or type the link into it:")
    segno.make(secrets["uri"]).terminal(compact=True)
    click.echo(secrets["uri"])
