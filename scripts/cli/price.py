"""`price`: what a cart costs a member and why, and how an order's price was computed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.documents import parse_object, read_text
from cli.place import Environment, Place, environment_options, member_behind


@click.group()
def price() -> None:
    """Prices: a cart's price for a member with the reason for each offer, and an order's price.

    \b
    scripts/huitou price quote cart.json --as alice
    scripts/huitou price quote cart.json --member m123 --best
    scripts/huitou price explain ORDER
    """


@price.command()
@click.argument("cart", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--member", "member_id", metavar="MEMBER", help="The member's id.")
@click.option("--as", "openid", metavar="OPENID",
              help="The member behind this OpenID (local cloud only).")  # fmt: skip
@click.option("--best", is_flag=True, help="With the best combination of the coupons held.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def quote(
    cart: Path,
    member_id: str | None,
    openid: str | None,
    best: bool,
    as_json: bool,
    environment: Environment,
) -> None:
    """Price the cart in the file CART for a member, as the mini-program's 试算 does.

    \b
    The file is what the mini-program sends:
    {"store_id": "xujiahui", "items": [{"dish_id": "milk-tea", "sku_id": "m", "quantity": 2}]}

    Shows each discount with its share per line, the reason why other offers and coupons aren't
    used, and what a slightly larger cart would bring. Nothing is written.
    """
    if (member_id is None) == (openid is None):
        raise click.UsageError("say either --member ID or --as OPENID")
    wanted = parse_object(read_text(cart), str(cart))
    with environment.open() as place:
        member = member_id or member_behind(place, str(openid))
        more = {"coupons": "best"} if best else {}
        answer = _ask(place, {**wanted, **more, "action": "price", "member_id": member})
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = Console()
    _print_price(console, answer["price"])
    for coupon in answer["coupons"]:
        why = coupon["why_not"] or (
            f"takes off {_fen(coupon['off_fen'])} in the best combination"
            if coupon["off_fen"]
            else "fits, but another combination is better"
        )
        console.print(f"coupon {escape(coupon['name'])} ({coupon['coupon_id']}): {escape(why)}")
    if answer["best"]["payable_fen"] < answer["payable_fen"]:
        console.print(f"with --best: {_fen(answer['best']['payable_fen'])}")


@price.command()
@click.argument("order_id", metavar="ORDER")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def explain(order_id: str, as_json: bool, environment: Environment) -> None:
    """Compute ORDER's price again, step by step, from the data stored with it.

    It uses the offers, the tree of groups, the tier and the coupons of that time, not today's
    rules. Exit code 1 if the result differs from the price that was charged.
    """
    with environment.open() as place:
        answer = _ask(place, {"action": "explain", "order_id": order_id})
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        _print_explained(answer)
    sys.exit(1 if answer["same"] is False else 0)


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    answer = place.internal_call("pay", event)
    if not answer["ok"]:
        error = answer["error"]
        raise click.ClickException(f"{error['code']}: {error['message']}")
    return dict(answer["data"])


def _print_explained(answer: dict[str, Any]) -> None:
    console = Console()
    inputs = answer["inputs"]
    if inputs is None:
        console.print("This order is from before prices kept what they followed from:")
        _print_price(console, answer | {"not_used": [], "exact": True})
        return
    facts = Table("what the price followed from", "", title=f"order {answer['order_id']}")
    level = inputs["level"]
    rows = {
        "day and hour at the store": f"{inputs['day']} {inputs['clock']}, {inputs['store_id']}",
        "mode, channel": f"{inputs['mode']}, {inputs['channel']}",
        "tier": f"{level['name']} (tiers@{inputs['tier_rules_revision']}), pays "
        f"{level['discount_bp'] / 100:g} %",
        "first order": "yes" if inputs["first_order"] else "no",
        "tree of groups": f"stacking@{inputs['stacking_revision']}",
        "offers in force": " ".join(f"{o['id']}@{o['revision']}" for o in inputs["offers"]) or "–",
        "coupons weighed": " ".join(inputs["coupon_ids"]) or "–",
        "points": f"{inputs['points']} (points@{inputs['points_rules_revision']})",
    }
    for name, value in rows.items():
        facts.add_row(name, escape(str(value)))
    console.print(facts)
    _print_price(console, answer["again"])
    if answer["same"]:
        console.print(f"[green]the same as was charged: {_fen(answer['payable_fen'])}[/green]")
    else:
        console.print(f"[red]charged {_fen(answer['payable_fen'])}, worked out differently[/red]")


def _print_price(console: Console, answer: dict[str, Any]) -> None:
    lines = Table("line", "dish", "pieces", "list price", "to pay")
    steps = Table("step", "offer and rule", "takes off", "left", "borne by", "by line")
    for table in (lines, steps):
        for column in table.columns[1:]:
            column.overflow = "fold"
    left = [line["list_fen"] for line in answer["lines"]]
    running = answer["list_fen"] + answer.get("delivery_fen", 0)
    steps.add_row("", "list price", "", _fen(running), "", _list(left))
    for number, off in enumerate(answer["discounts"], 1):
        left = [have - share for have, share in zip(left, off["by_line_fen"], strict=True)]
        running -= off["amount_fen"]
        steps.add_row(
            str(number),
            escape(off["name"] or off["kind"]) + "\n" + escape(_rule(off)),
            _fen(-off["amount_fen"]),
            _fen(running),
            off["borne_by"],
            _list(off["by_line_fen"]),
        )
    for number, (line, to_pay) in enumerate(zip(answer["lines"], left, strict=True), 1):
        name = f"{line['name']} {line['sku_name']}"
        extras = "".join(f" +{addon['name']}" for addon in line["addons"])
        lines.add_row(
            str(number),
            escape(name + extras),
            str(line["quantity"]),
            _fen(line["list_fen"]),
            _fen(to_pay),
        )
    if answer.get("delivery_fen"):
        lines.add_row("", "配送费", "", _fen(answer["delivery_fen"]), "")
    console.print(lines)
    console.print(steps)
    if answer["not_used"]:
        without = Table("not used", "rule", "why")
        for row in answer["not_used"]:
            rule = f"{row['kind']} {row['source_id']}"
            without.add_row(escape(row["name"]), rule, escape(row["what"]))
        console.print(without)
    if answer.get("next_step"):
        step = answer["next_step"]
        dishes = ", ".join(f"{dish['quantity']} × {dish['name']}" for dish in step["example"])
        console.print(f"next step: {escape(step['what'])} (with {escape(dishes)})")
    if not answer["exact"]:
        console.print("[yellow]too many combinations to try all: this is the best found[/yellow]")
    console.print(f"to pay: {_fen(answer['payable_fen'])}")


def _fen(fen: int) -> str:
    sign = "−" if fen < 0 else ""
    return f"{sign}¥{abs(fen) / 100:,.2f}"


def _list(fens: list[int]) -> str:
    return " ".join(f"{fen / 100:.2f}" for fen in fens)


def _rule(row: dict[str, Any]) -> str:
    return f"{row['kind']} {row['source_id']}@{row['revision']}"
