"""`bench tiers`: a day's tier reviews in a small and in a large chain."""

from __future__ import annotations

import click

from cli.bench import json_option, report
from cli.bench.crowd import CrowdClock, crowds, measure, swept
from cli.bench.profile import Profile, profile_option
from huitou.loyalty.tiers.service import Tiers
from huitou.runtime.database import Database


@click.command()
@click.option("--members", default=1_000_000, show_default=True, help="In the large chain.")
@click.option("--small-members", default=100_000, show_default=True, help="In the small chain.")
@click.option("--due", default=2_000, show_default=True, help="Members to review a day.")
@profile_option
@json_option
def tiers(
    members: int, small_members: int, due: int, profile: Profile | None, as_json: bool
) -> None:
    """Review tiers in chains of 100,000 and of 1,000,000 members, the same number due.

    Everybody who is due falls from silver, the dearest outcome. The ratio says how much of the
    cost comes from members for whom nothing is due (aim: at most 1.3).
    """
    with crowds(members, small_members, due) as both:
        figures = measure(both, _review, due, profile)
    report(figures, profile, as_json=as_json)


def _review(database: Database, clock: CrowdClock) -> int:
    reviews = Tiers(database, clock)
    return swept(reviews.due_reviews(), reviews.evaluate_members)["lowered"]
