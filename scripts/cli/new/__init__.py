"""`new`: write the files that a developer then changes."""

from __future__ import annotations

import click

from bootstrap import ROOT
from cli.new.skeleton import Names, NotPossible, Skeleton
from house import DOMAINS, FOUNDATIONS


@click.group()
def new() -> None:
    """Write the first files of a new part of the project."""


@new.command()
@click.argument("name")
@click.option("--domain", default=DOMAINS[-1], show_default=True,
              help=f"Where its area goes: {', '.join(d for d in DOMAINS if d not in FOUNDATIONS)}."
              " The default may import from all others.")  # fmt: skip
@click.option("--area", help="The area's name (default: the function's, with _ for -).")
def function(name: str, domain: str, area: str | None) -> None:
    """Write a new function NAME: its folder, its area, its tests, and its entries elsewhere.

    NAME is what callers write: lower-case words joined by hyphens. The new function works at once
    and passes scripts/test. It is small and real: staff leave notes, each stored once, and members
    list them by page. Then change the files for your own function. Put its area into the lowest
    domain that knows all it needs; scripts/huitou house shows the domains.

    \b
    scripts/huitou new function prep-dispatch
    scripts/huitou new function prep-dispatch --domain ordering --area preparation

    No existing file is overwritten. If one file can't be written, no file is.
    """
    try:
        names = Names.of(name, domain, area)
        skeleton = Skeleton(names)
        skeleton.write()
    except NotPossible as why:
        raise click.ClickException(str(why)) from None
    paths = [str(file.path.relative_to(ROOT)) for file in skeleton.files]
    for file, path in zip(skeleton.files, paths, strict=True):
        kind = "new" if file.is_new else "changed"
        click.echo(f"{kind:8} {path:{max(map(len, paths))}}  {file.why}")
    click.echo(
        "next:\n"
        "  scripts/test --fast      all of it passes as it is\n"
        "  scripts/huitou deploy    the cloud on your machine serves it; its README has two calls\n"
        f"  then make {domain}/{names.area} and the README what your function is about"
    )
