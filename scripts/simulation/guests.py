"""Guests with habits: how often, when and where they come, what they eat, how they pay."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from simulation.chain import DISHES, STORES

# How a visit goes on, and how often of a hundred: leaves unpaid, cancels before or after paying,
# sends all of it or one piece back.
COMES_WHEN_TOLD = 0.35  # The chance that a message brings a guest.
ENDS = {"pays": 90, "leaves": 2, "cancels": 2, "changes mind": 2, "sends back": 2, "one back": 2}


@dataclass(frozen=True)
class Guest:
    """One guest; `daily` is the chance of a visit on a day.

    `likes_offers` is what they answer when asked for consent to marketing, `shares_place` when
    asked for their position, `allows_messages` how often they allow one more message after paying.
    """

    openid: str
    phone: str
    joins_on: int
    daily: float
    usual_store: str
    favourites: tuple[str, ...]
    supper: bool
    uses_points: bool
    scans_code: bool
    likes_offers: bool
    shares_place: bool
    allows_messages: float
    birthday: str | None


@dataclass(frozen=True)
class Visit:
    """One intended order: `slot` is the part of the day, `end` how it goes on."""

    guest: Guest
    store_id: str
    items: list[dict[str, Any]]
    slot: int
    end: str  # one of ENDS
    waits: bool  # looks at the order's state before the phone goes back into the pocket


def make_guests(seed: int, count: int, days: int) -> list[Guest]:
    """Make the guests; the same seed gives the same guests."""
    dice = random.Random(seed)
    return [_guest(dice, number, days) for number in range(count)]


def _guest(dice: random.Random, number: int, days: int) -> Guest:
    loyal = dice.random()
    # Separate dice, so that these draws don't change the visits of a seed.
    care = random.Random(f"care {number}")
    born = f"{care.randrange(1960, 2008)}-{care.randrange(1, 13):02}-{care.randrange(1, 29):02}"
    return Guest(
        openid=f"guest-{number:04d}",
        phone=f"138{number:08d}",
        joins_on=0 if number % 2 == 0 else dice.randrange(days),
        daily=0.4 if loyal > 0.95 else 0.08 if loyal > 0.75 else 0.02,
        usual_store=dice.choice(STORES)[0],
        favourites=tuple(dice.sample([dish[0] for dish in DISHES], 3)),
        supper=dice.random() < 0.2,
        uses_points=dice.random() < 0.5,
        scans_code=dice.random() < 0.6,
        likes_offers=care.random() < 0.8,
        allows_messages=care.choice([0.0, 0.5, 0.9]),
        birthday=born if care.random() < 0.7 else None,
        shares_place=care.random() < 0.5,
    )


def visits_on(dice: random.Random, day: int, guests: list[Guest], slots: int) -> list[Visit]:
    """Decide who comes on a day, in order of the slots of the day."""
    visits = [
        _visit(dice, guest, slots)
        for guest in guests
        if guest.joins_on <= day and (guest.joins_on == day or dice.random() < guest.daily)
    ]
    return sorted(visits, key=lambda visit: visit.slot)


def visits_after_messages(
    dice: random.Random, told: list[Guest], visits: list[Visit], slots: int
) -> list[Visit]:
    """Decide which guests come today only because they got a message."""
    coming = {visit.guest.openid for visit in visits}
    extra = [
        _visit(dice, guest, slots)
        for guest in told
        if guest.openid not in coming and dice.random() < COMES_WHEN_TOLD
    ]
    return sorted([*visits, *extra], key=lambda visit: visit.slot)


def _visit(dice: random.Random, guest: Guest, slots: int) -> Visit:
    slot = slots - 1 if guest.supper and dice.random() < 0.6 else dice.randrange(slots - 1)
    store_id = guest.usual_store if dice.random() < 0.8 else dice.choice(STORES)[0]
    if slot == slots - 1:
        store_id = "wujiaochang"  # Open for supper.
    elif slot == 0 and store_id == "wujiaochang":
        store_id = "jingan"  # It opens at 17:00.
    end = dice.choices(list(ENDS), list(ENDS.values()))[0]
    return Visit(
        guest,
        store_id,
        [_item(dice, guest) for _ in range(dice.choice([1, 1, 2, 3]))],
        slot,
        end,
        waits=dice.random() < 0.3,
    )


def _item(dice: random.Random, guest: Guest) -> dict[str, Any]:
    dish_id = dice.choice(guest.favourites)
    dish = next(dish for dish in DISHES if dish[0] == dish_id)
    sizes, extras, methods = dish[4], dish[5], dish[6]
    item: dict[str, Any] = {
        "dish_id": dish_id,
        "sku_id": dice.choice(sizes)[0],
        "quantity": dice.choice([1, 1, 1, 2]),
    }
    if extras and dice.random() < 0.4:
        item["addons"] = [{"addon_id": dice.choice(extras)[0], "quantity": 1}]
    if methods and dice.random() < 0.5:
        item["methods"] = [dice.choice(methods)]
    return item
