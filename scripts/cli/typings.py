"""`typings`: TypeScript declarations for callers of the functions."""

from __future__ import annotations

from pathlib import Path

import click

from typings.declarations import declarations
from typings.tables import read_tables


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="Write to this file instead of the terminal.")  # fmt: skip
@click.option("--internal", is_flag=True, help="The actions of internal callers as well.")
def typings(out: Path | None, internal: bool) -> None:
    """Write TypeScript declarations of every function's requests and answers.

    They come from the models that read the requests, so they say what this version takes: fields
    that may be left out, choices, bounds, units. Put the file where your mini-program keeps its
    typings; it declares the namespace Huitou and needs no import.

    \b
    scripts/huitou typings --out miniprogram/typings/huitou.d.ts

    \b
    const cloud = wx.cloud as unknown as Huitou.Cloud
    const { result } = await cloud.callFunction({
      name: "pay", data: { action: "status", order_id },
    })
    if (result.ok) show(result.data.status)           // "created" | "paying" | "paid" | …
    else if (result.error.code === "NOT_REGISTERED")  // one of the stable codes
      login()
    """
    text = declarations(read_tables(), internal=internal)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
