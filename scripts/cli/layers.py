"""`layers`: build the packages of a deployment and show their sizes, without deploying."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bootstrap import ROOT
from cli.place import Environment, environment_options
from deployment.deploy import Deployment, prepare
from deployment.found import look
from deployment.packages import (
    MAX_UNZIPPED_BYTES,
    MAX_ZIP_BYTES,
    RUNTIME,
    Package,
    build_layers,
    check_limits,
    function_package,
    readable,
)
from deployment.plan import plan


@click.group()
def layers() -> None:
    """The zips that a deployment sends: five layers, and each function's own folder."""


@layers.command()
@click.option("--output", type=click.Path(file_okay=False, path_type=Path),
              help="Copy the zips there: core.zip, deps.zip, …, functions/NAME.zip.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def build(output: Path | None, as_json: bool) -> None:
    """Build all packages for CloudBase's Python and show their sizes against its limits.

    The same sources give the same bytes, so the SHA-256 tells whether anything has changed.
    Packages that are already built are taken from .build/.
    """
    started = time.monotonic()
    built = build_layers(RUNTIME)
    folders = sorted(path.parent for path in ROOT.glob("functions/*/index.py"))
    functions = {folder.name: function_package(folder) for folder in folders}
    check_limits(built, functions)
    if output is not None:
        _copy_zips(built, output)
        _copy_zips(functions, output / "functions")
    seconds = time.monotonic() - started
    if as_json:
        click.echo(
            json.dumps(
                {
                    "python": RUNTIME.python,
                    "platform": RUNTIME.platform,
                    "seconds": round(seconds, 2),
                    "layers": {name: _figures(package) for name, package in built.items()},
                    "functions": {name: _figures(package) for name, package in functions.items()},
                }
            )
        )
    else:
        Console().print(_table(built, functions))
        click.echo(f"built in {seconds:.1f} s", err=True)


@layers.command()
@environment_options
def publish(environment: Environment) -> None:
    """Publish the layers that have changed, and print their versions as NAME=value lines.

    `deploy` does this by itself. Use it if you deploy functions with CloudBase's own client, which
    can't publish Python layers and needs the versions as variables:

    \b
    scripts/huitou layers publish --env shop-1a2b3c >> .env
    tcb fn deploy --yes
    """
    with environment.open(deploy=False) as place:
        api, wanted = prepare(place.target, place.build_for)
        found = look(api, wanted)
        steps = [step for step in plan(wanted, found) if step.kind == "layer"]
        deployment = Deployment(api, wanted, found, lambda text: click.echo(text, err=True))
        deployment.run(steps)
    for name, version in deployment.layer_versions.items():
        click.echo(f"HUITOU_{name.partition('_')[0].upper()}_LAYER_VERSION={version}")


def _copy_zips(packages: dict[str, Package], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in packages.items():
        shutil.copyfile(package.path, folder / f"{name}.zip")


def _figures(package: Package) -> dict[str, object]:
    return {
        "path": str(package.path),
        "size_bytes": package.size_bytes,
        "unzipped_bytes": package.unzipped_bytes,
        "sha256": package.sha256,
    }


def _table(built: dict[str, Package], functions: dict[str, Package]) -> Table:
    below = sum(package.unzipped_bytes for package in built.values())
    largest = max((package.unzipped_bytes for package in functions.values()), default=0)
    caption = (
        f"layers and the largest function unpacked: {readable(below + largest)} of"
        f" {readable(MAX_UNZIPPED_BYTES)}"
    )
    table = Table("", caption=caption)
    for title in ("zip", "of limit", "unpacked"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("sha256", no_wrap=True)
    for what, packages in (("layer", built), ("function", functions)):
        for name, package in packages.items():
            sizes = readable(package.size_bytes), f"{package.size_bytes / MAX_ZIP_BYTES:.2%}"
            unpacked = readable(package.unzipped_bytes)
            table.add_row(f"{what} {name}", *sizes, unpacked, package.sha256[:12])
        table.add_section()
    return table
