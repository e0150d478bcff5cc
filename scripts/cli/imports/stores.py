"""The chain's stores, by the names that files and users call them by."""

from __future__ import annotations

import hashlib
import re

import click

from cli.imports.cells import clean
from cli.place import Place
from localcloud.client import LocalCloudClient

_ID = re.compile(r"[0-9a-z][0-9a-z_-]{0,31}")
DEFAULT_BRAND = "huitou"


def known_stores(cloud: Place) -> dict[str, str | None]:
    """Return the chain's store ids by id and by name; None for a name that two of them bear."""
    answer = cloud.internal_call("store-menu", {"action": "stores"})
    stores: dict[str, str | None] = {}
    for store in answer["data"]["stores"]:
        name = clean(store["name"])
        stores[name] = None if name in stores else store["store_id"]
    return stores | {clean(s["store_id"]): s["store_id"] for s in answer["data"]["stores"]}


def store_named(
    cloud: Place, stores: dict[str, str | None], given: str | None, *, create: bool, dry_run: bool
) -> str | None:
    """Return the id of the store that --store names; None where it names none.

    With `create` a store that isn't there is made, and put into `stores`; a dry run makes none.
    Raises BadParameter that says which stores there are, and how to make one.
    """
    if given is None:
        if create:
            raise click.BadParameter("--store names the store to make", param_hint="--create-store")
        return None
    name = clean(given)
    if store_id := stores.get(name):
        return store_id
    if name in stores:
        raise click.BadParameter(
            "more than one store has this name; use an id", param_hint="--store"
        )
    if not create:
        known = ", ".join(sorted(stores)) or "none yet"
        raise click.BadParameter(
            f"no such store; there are: {known}. "
            f"To make it: --store {given} --create-store (its hours are set in the console later)",
            param_hint="--store",
        )
    if dry_run:
        return None
    stores[name] = _created(cloud, name)
    return stores[name]


def _created(cloud: Place, name: str) -> str:
    """Make a store that is closed until somebody sets its hours; returns its id."""
    plain = _ID.fullmatch(name) is not None
    store_id = name if plain else "s" + hashlib.sha256(name.encode()).hexdigest()[:12]
    if isinstance(cloud, LocalCloudClient):
        cloud.control("mark", sample=False)  # The demo must not wipe it any more.
    brand = cloud.target.variables.get("HUITOU_BRAND_ID") or DEFAULT_BRAND
    store = {"_id": store_id, "brand_id": brand, "name": name, "hours": []}
    answer = cloud.internal_call("maintenance", {"action": "load", "lang": "en", "stores": [store]})
    if not answer["ok"]:
        error = answer["error"]
        raise click.ClickException(f"store {name}: {error['code']} {error['message']}")
    return store_id
