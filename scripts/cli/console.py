"""`console`: the operators' console on the local cloud."""

from __future__ import annotations

from pathlib import Path

import click

from cli.campaign import with_chain
from cli.place import Environment, data_option
from cli.staff import open_account
from deployment.web import pages


@click.group()
def console() -> None:
    """The operators' console of the local cloud.

    \b
    scripts/huitou staff add li --role owner       an account to sign in with
    scripts/huitou console build                   build the pages, print their folder
    scripts/huitou console screenshots --out DIR   every view, at desktop and phone width
    """


@console.command()
def build() -> None:
    """Build the pages if they have changed, and print their folder."""
    click.echo(pages(lambda words: click.echo(words, err=True)))


@console.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the pictures go.",
)
@click.option(
    "--view", "views", multiple=True, help="Only this view or form; repeatable. Left out: all."
)
@data_option
def screenshots(out: Path, views: tuple[str, ...], data_folder: Path) -> None:
    """Write a picture of each view, as an owner sees it in a real browser."""
    from browsing.browser import browser
    from browsing.console import FORMS, VIEWS, Person
    from browsing.console import screenshots as pictures

    known = (*VIEWS, *FORMS)
    if unknown := sorted(set(views) - set(known)):
        raise click.UsageError(f"--view {unknown[0]}: choose from {', '.join(known)}")
    # Built before a browser waits for them: that takes a minute on a busy machine.
    pages(lambda words: click.echo(words, err=True))
    with with_chain(Environment(None, None, data_folder)) as place:
        url = f"http://{place.target.account.endpoint}"
        account = open_account(place, "screenshots", "截图", "owner")
        with browser() as started:
            page = started.new_page(locale="zh-CN")
            Person.of(account).sign_in(page, url)
            for path in pictures(page, url, out, views or known):
                click.echo(path)
