"""The command `scripts/huitou`; each subcommand has a file with its name."""

from __future__ import annotations

import sys

import click

from cli.lazy import LazyGroup
from deployment.errors import Stopped
from huitou.runtime.errors import Unavailable

# In the order of `--help`. A command's file has its name, unless Python forbids that name.
NAMES = (
    "up", "deploy", "rollback", "status", "logs", "invoke", "phone", "import", "kpi", "reconcile",
    "pay", "points", "price", "coupons", "campaign", "console", "staff", "wechat-pay", "tiers",
    "dead-letters", "layers", "bench", "cost", "capacity", "demo", "typings", "house", "new",
)  # fmt: skip
PLACES = {name: f"cli.{name.replace('-', '_')}:{name.replace('-', '_')}" for name in NAMES} | {
    "rollback": "cli.deploy:rollback",
    "import": "cli.imports:import_",
}


@click.group(cls=LazyGroup, places=PLACES, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Huitou 回头: the serverless back end that makes restaurant guests come back.

    \b
    scripts/huitou up                            the whole cloud on this machine, until Ctrl-C
    scripts/huitou deploy                        bring the bundle to it, or to Tencent Cloud
    scripts/huitou status                        versions, timers, dead letters
    scripts/huitou cost                          what a month costs, from measured calls
    scripts/huitou invoke store-menu '{"action": "stores"}' --as alice
    scripts/huitou import orders till.csv --map member=card,paid_at=time,amount=total
    scripts/huitou kpi --as-of 2026-04-30        the repurchase rate and its siblings
    scripts/huitou reconcile                     prove that every ledger agrees
    scripts/huitou points statement --as alice   every movement of a member's points
    scripts/huitou points liability              what all members are owed, by month
    scripts/huitou tiers dry-run rules.json      what new tier rules would do to all members
    scripts/huitou price quote cart.json --as alice  what a cart costs, and why
    scripts/huitou price explain ORDER           how an order's price came about
    scripts/huitou coupons batches               codes: made, used, revoked
    scripts/huitou campaign lint day-3.json      what speaks against a campaign
    scripts/huitou campaign report day-3         who came back because of it
    scripts/huitou staff add li --role owner     open an account of the console
    scripts/huitou console screenshots --out DIR  every view of the console as a picture
    scripts/huitou pay reconcile --day 2026-04-30  compare a day with WeChat Pay's bill
    scripts/huitou cost --orders-per-day 10000   the monthly bill, item by item
    scripts/huitou capacity --members 10M --orders-per-day 1M  what a chain needs, what breaks
    scripts/huitou typings --out huitou.d.ts     TypeScript for the mini-program
    scripts/huitou new function prep-dispatch    the skeleton of a function, tests included
    scripts/huitou house                         the core layer's domains, and who imports whom

    Commands that need the local cloud use the one that is up on the same data, or start one
    for as long as they take. The data is in .huitou/, or where MONGODB_URI points.
    """


if __name__ == "__main__":
    try:
        main(prog_name="scripts/huitou")
    except Stopped as stopped:
        sys.exit(str(stopped))
    except Unavailable as failed:
        sys.exit(f"no answer: {failed.detail or failed}; scripts/huitou status tells more")
