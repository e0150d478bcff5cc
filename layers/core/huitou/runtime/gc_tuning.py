"""Make Python's garbage collector run less often while thousands of documents are read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_ALLOCATIONS = 100_000  # Between two runs of the collector; some pages of documents.


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Run the collector less often within this block.

    Documents have no reference cycles, so there is nothing to find; without this, the collector
    takes a third of a sweep's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
