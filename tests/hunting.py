"""How long property tests look: an honest while in each run, forty times as long on a hunt.

`scripts/test --hunt` runs them alone, by Hypothesis's profile of that name.
"""

from __future__ import annotations

from hypothesis import settings

TIMES = 40
USUAL = 100  # Examples of a test that says no number.

# No deadline: how long an example takes says how busy the machine is.
settings.register_profile("ci", max_examples=USUAL, deadline=None, print_blob=True)
settings.register_profile("hunt", settings.get_profile("ci"), max_examples=USUAL * TIMES)
settings.load_profile("ci")


def hunting() -> bool:
    """Whether this run is a hunt; known before the tests' own modules are imported."""
    return bool(settings.get_current_profile_name() == "hunt")


def examples(usual: int) -> int:
    """Return how many examples to try where each run tries `usual`."""
    return usual * TIMES if hunting() else usual
