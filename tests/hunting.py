"""How many examples property tests try: a hunt tries forty times as many as a usual run.

`scripts/test --hunt` runs only property tests, with the Hypothesis profile `hunt`; `--fast`
tries a quarter of the usual examples.
"""

from __future__ import annotations

from hypothesis import settings

TIMES = {"fast": 1 / 4, "ci": 1, "hunt": 40}
USUAL = 100  # For a test that names no number.

# No deadline: the duration of an example depends on how busy the machine is.
settings.register_profile("ci", max_examples=USUAL, deadline=None, print_blob=True)
for name, times in TIMES.items():
    settings.register_profile(name, settings.get_profile("ci"), max_examples=int(USUAL * times))
settings.load_profile("ci")


def hunting() -> bool:
    """Tell whether this run is a hunt; works before the test modules are imported."""
    return bool(settings.get_current_profile_name() == "hunt")


def examples(usual: int) -> int:
    """Return how many examples this run tries if a usual run tries `usual`."""
    return max(1, int(usual * TIMES[settings.get_current_profile_name()]))
