"""How long property tests look: an honest while in each run, forty times as long on a hunt.

`scripts/test --hunt` runs them alone, by Hypothesis's profile of that name; `--fast` tries a
quarter of the examples.
"""

from __future__ import annotations

from hypothesis import settings

TIMES = {"fast": 1 / 4, "ci": 1, "hunt": 40}
USUAL = 100  # Examples of a test that says no number.

# No deadline: how long an example takes says how busy the machine is.
settings.register_profile("ci", max_examples=USUAL, deadline=None, print_blob=True)
for name, times in TIMES.items():
    settings.register_profile(name, settings.get_profile("ci"), max_examples=int(USUAL * times))
settings.load_profile("ci")


def hunting() -> bool:
    """Whether this run is a hunt; known before the tests' own modules are imported."""
    return bool(settings.get_current_profile_name() == "hunt")


def examples(usual: int) -> int:
    """Return how many examples to try where each run of all tests tries `usual`."""
    return max(1, int(usual * TIMES[settings.get_current_profile_name()]))
