"""Computes what a chain of some size needs. Pure: no clock, no cloud, no files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cli.capacity.figures import GROWTH, YEAR, CollectionFigures, DatabaseFigures, Growth, Limits
from cli.cost.figures import FunctionFigures
from huitou.runtime.declarations import Declaration, ShardKey

PEAK = 12  # Times the mean of the whole day: noon, at its busiest minute.
DAY_S = 86_400
GB = 1_000_000_000
STORE_ORDERS = 300  # A store's orders of a day.
MEASURED_STORES, MEASURED_DAYS = 3, 2
DISK_ROOM = 1.5  # A multiple of the data, for oplog and free space.
BUSIEST_STORE = 3  # Times the mean store.
HOT_DAYS = 7  # Orders of so many days are read and changed again.
CONNECTIONS_EACH = 3  # Of one instance: one for its calls, two that watch the replica set.
# An account keeps three figures of each of the last 366 days on which its member ordered.
ACCOUNT_DAY_BYTES, ACCOUNT_DAYS = 48, 366
# Indexes that begin with one of these get new entries anywhere: where a page isn't in memory, it is
# read first. Those that begin with a day or a moment grow at their end, which is in memory.
ANYWHERE = {"_id", "member_id", "order_id", "issued_to", "template_id", "inviter_id", "before"}
# Of an index this must be in memory in any case: the upper pages of its tree, and the newest.
IN_USE = 0.05
EXACTLY = 1.001  # So near the point is found at which something breaks.
LEAST_ENTRY_BYTES = 10  # On average; an index with less holds few of the documents.
CORES, MEMORY_GB = (2, 4, 8, 16, 24), (4, 8, 16, 32, 64, 128)
NEXT = {
    "database CPU": "a larger primary; then shards by the keys below",
    "database memory": "more memory; then older orders to files, so that their indexes shrink;"
    " then shards by the keys below",
    "database disk": "a larger disk; then older orders to files in object storage; then shards",
    "pages read and written": "more memory, so that fewer are read; a faster disk; then shards",
    "connections": "a larger limit of connections; then shards, each behind mongos of their own",
    "function instances": "a larger quota of instances at once, from Tencent's support",
    "one store's counter": "pick-up numbers from several counters of a store",
}


@dataclass(frozen=True)
class Size:
    """A chain: its registered members and its paid orders a day."""

    members: int
    orders_per_day: int

    @property
    def peak_per_s(self) -> float:
        return PEAK * self.orders_per_day / DAY_S

    @property
    def stores(self) -> int:
        return max(1, math.ceil(self.orders_per_day / STORE_ORDERS))

    def times(self, factor: float) -> Size:
        """Return a chain so many times as large, with as many members to an order."""
        return Size(
            max(1, round(self.members * factor)), max(1, round(self.orders_per_day * factor))
        )


@dataclass(frozen=True)
class Held:
    """What a collection holds after some years: documents, and bytes on disk and in memory.

    `hot_index_bytes`: the pages that new entries may come to. `needed_bytes`: what must be in
    memory in any case, documents and pages of indexes.
    """

    documents: int
    data_bytes: int
    index_bytes: int
    hot_index_bytes: int
    needed_bytes: int


@dataclass(frozen=True)
class Collection:
    """One collection after one year and after three."""

    name: str
    growth: Growth
    shard_key: ShardKey | None
    anywhere: int  # Entries of the measured days that came anywhere in an index.
    first_year: Held
    third_year: Held


@dataclass(frozen=True)
class Instances:
    """The instances of one function at the peak: the mean by Little's law, and with room."""

    name: str
    busy: float
    needed: int


@dataclass(frozen=True)
class Need:
    """One resource at the peak or after three years; `share` of what one primary may have."""

    name: str
    needed: float
    limit: float
    unit: str

    @property
    def share(self) -> float:
        return self.needed / self.limit


@dataclass(frozen=True)
class Capacity:
    """The whole estimate."""

    size: Size
    collections: tuple[Collection, ...]
    instances: tuple[Instances, ...]
    needs: tuple[Need, ...]
    shards: int
    cores: int
    memory_gb: int
    first: str  # The resource that one primary lacks first, as the chain grows.
    breaks_at: Size


def estimate(
    size: Size,
    database: DatabaseFigures,
    functions: Iterable[FunctionFigures],
    declared: Sequence[Declaration],
    limits: Limits,
) -> Capacity:
    """Say what a chain of this size needs."""
    figures = tuple(functions)
    collections, instances, needs = _all(size, database, figures, declared, limits)

    def fullest(factor: float) -> Need:
        _, _, found = _all(size.times(factor), database, figures, declared, limits)
        return max(found, key=lambda need: need.share)

    low, high = 1e-6, 1e9
    while high / low > EXACTLY:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fullest(middle).share > 1 else (middle, high)
    of_database = [need for need in needs if need.name.startswith(("database", "pages"))]
    shards = max(1, *(math.ceil(need.share) for need in of_database))
    needed = {need.name: need.needed / shards for need in needs}
    return Capacity(
        size,
        collections,
        instances,
        needs,
        shards,
        cores=_at_least(CORES, needed["database CPU"]),
        memory_gb=_at_least(MEMORY_GB, needed["database memory"]),
        first=fullest(high).name,
        breaks_at=size.times(high),
    )


def _all(
    size: Size,
    database: DatabaseFigures,
    functions: tuple[FunctionFigures, ...],
    declared: Sequence[Declaration],
    limits: Limits,
) -> tuple[tuple[Collection, ...], tuple[Instances, ...], tuple[Need, ...]]:
    by_name = {one.name: one for one in database.collections}
    collections = tuple(
        _collection(size, by_name[one.name], one, database)
        for one in declared
        if one.name in by_name
    )
    instances = tuple(_instances(size, one) for one in functions)
    return collections, instances, _needs(size, database, collections, instances, limits)


def _at_least(sold: tuple[int, ...], needed: float) -> int:
    return next((one for one in sold if one >= needed), sold[-1])


def _collection(
    size: Size, figures: CollectionFigures, declared: Declaration, database: DatabaseFigures
) -> Collection:
    growth = GROWTH[figures.name]
    first, third = (
        _held(size, figures, declared, database, growth, years * YEAR) for years in (1, 3)
    )
    entries = sum(
        figures.index_bytes[name] >= LEAST_ENTRY_BYTES for name in _anywhere(figures, declared)
    )
    return Collection(
        figures.name,
        growth,
        declared.shard_key,
        anywhere=figures.documents * entries,
        first_year=first,
        third_year=third,
    )


def _held(
    size: Size,
    figures: CollectionFigures,
    declared: Declaration,
    database: DatabaseFigures,
    growth: Growth,
    days: float,
) -> Held:
    documents = _documents(size, figures, database, growth, days)
    document_bytes, stored_bytes = figures.document_bytes, figures.stored_bytes
    if figures.name == "accounts":
        ordered = min(ACCOUNT_DAYS, size.orders_per_day * min(days, YEAR) / size.members)
        grown = (document_bytes + ACCOUNT_DAY_BYTES * ordered) / document_bytes
        document_bytes, stored_bytes = document_bytes * grown, stored_bytes * grown
    index_bytes = sum(figures.index_bytes.values())
    anywhere = sum(figures.index_bytes[name] for name in _anywhere(figures, declared))
    hot = 0.0
    if growth.by == "order":
        hot = min(1.0, HOT_DAYS / min(days, growth.days or days))
    elif growth.by == "member":
        hot = 1.0
    return Held(
        documents=round(documents),
        data_bytes=round(documents * stored_bytes),
        index_bytes=round(documents * index_bytes),
        hot_index_bytes=round(documents * (anywhere + IN_USE * (index_bytes - anywhere))),
        needed_bytes=round(documents * (document_bytes * hot + IN_USE * index_bytes)),
    )


def _documents(
    size: Size,
    figures: CollectionFigures,
    database: DatabaseFigures,
    growth: Growth,
    days: float,
) -> float:
    kept = min(days, growth.days or days)
    if growth.by == "order":
        return figures.documents / database.paid_orders * size.orders_per_day * kept
    if growth.by == "member":
        return figures.documents / database.members * size.members
    return figures.documents / MEASURED_DAYS / MEASURED_STORES * size.stores * kept


def _anywhere(figures: CollectionFigures, declared: Declaration) -> list[str]:
    """Return the names of the indexes whose entries come anywhere."""
    leading = {"_id_": "_id"}
    for one in declared.indexes:
        leading[one.document["name"]] = next(iter(one.document["key"]))
    return [name for name in figures.index_bytes if leading.get(name) in ANYWHERE]


def _instances(size: Size, function: FunctionFigures) -> Instances:
    busy = size.peak_per_s * function.calls_per_order * function.warm_ms / 1000
    # Calls don't come evenly: three standard deviations of a Poisson distribution.
    needed = math.ceil(busy + 3 * math.sqrt(busy)) + function.stands
    return Instances(function.name, busy, max(1, needed))


def _needs(
    size: Size,
    database: DatabaseFigures,
    collections: tuple[Collection, ...],
    instances: tuple[Instances, ...],
    limits: Limits,
) -> tuple[Need, ...]:
    held = [one.third_year for one in collections]
    memory = sum(one.needed_bytes for one in held) / GB / limits.cache
    disk = sum(one.data_bytes + one.index_bytes for one in held) / GB
    cores = size.peak_per_s * database.cpu_ms_per_order / 1000 / limits.load
    at_once = sum(one.needed for one in instances)
    counter = size.peak_per_s / size.stores * BUSIEST_STORE
    written, anywhere = _pages(database, collections)
    pages = size.peak_per_s * (written + anywhere * (1 + _missed(held, memory, limits)))
    return (
        Need("database CPU", cores, limits.cores, "cores"),
        Need("database memory", memory, limits.memory_gb, "GB"),
        Need("database disk", disk * DISK_ROOM, limits.disk_gb, "GB"),
        Need("pages read and written", pages, limits.pages_per_s, "pages/s"),
        Need("connections", at_once * CONNECTIONS_EACH, limits.connections, "connections"),
        Need("function instances", at_once, limits.instances, "instances"),
        Need("one store's counter", counter, limits.hot_updates_per_s, "changes/s"),
    )


def hot_index_gb(collections: Iterable[Collection]) -> float:
    """Return the GB of index pages, after three years, that new entries may come to."""
    return sum(one.third_year.hot_index_bytes for one in collections) / GB


def _missed(held: Iterable[Held], memory: float, limits: Limits) -> float:
    """Return the share of hot index pages that aren't in the largest memory, so are read."""
    hot = sum(one.hot_index_bytes for one in held) / GB
    free = max(0.0, limits.memory_gb - memory) * limits.cache
    return max(0.0, 1 - free / hot) if hot else 0.0


def _pages(database: DatabaseFigures, collections: tuple[Collection, ...]) -> tuple[float, float]:
    """Return the pages of documents and of indexes that an order changes.

    Each document that is written counts as one page, and so does each entry of an index that comes
    anywhere, as if no two orders changed the same page. The journal is written in groups and isn't
    counted.
    """
    entries = sum(one.anywhere for one in collections) / database.paid_orders
    return database.per_order["inserts"] + database.per_order["updates"], entries
