"""`bench expire`: a day's expiring points in a small and in a large chain."""

from __future__ import annotations

import click

from cli.bench import json_option, report
from cli.bench.crowd import CrowdClock, crowds, measure, swept
from cli.bench.profile import Profile, profile_option
from huitou.loyalty.points.service import Points
from huitou.runtime.database import Database


@click.command()
@click.option("--members", default=1_000_000, show_default=True, help="In the large chain.")
@click.option("--small-members", default=100_000, show_default=True, help="In the small chain.")
@click.option("--due", default=2_000, show_default=True, help="Members a day whose points end.")
@profile_option
@json_option
def expire(
    members: int, small_members: int, due: int, profile: Profile | None, as_json: bool
) -> None:
    """Let points expire in chains of 100,000 and of 1,000,000 members, the same number due.

    The ratio says how much of the cost comes from members for whom nothing is due (aim: at most
    1.3). Making a million members takes a minute or two.
    """
    with crowds(members, small_members, due) as both:
        figures = measure(both, _expire, due, profile)
    report(figures, profile, as_json=as_json)


def _expire(database: Database, clock: CrowdClock) -> int:
    points = Points(database, clock)
    return swept(points.due_accounts(), points.bring_all_up_to_date)["up to date"]
