"""What staff see of a member's name and phone, and in which form a phone number is hashed."""

from __future__ import annotations

import unicodedata

from huitou.runtime import typed


def masked_name(name: str | None) -> str | None:
    """Return a name of which only the first sign is left: 王小明 is `王**`."""
    return f"{name[0]}**" if name else None


def masked_digits(last4: str | None) -> str | None:
    """Return a phone's last digits of which only two are left: 8801 is `**01`."""
    return f"**{last4[-2:]}" if last4 else None


def international(phone: str) -> str:
    """Return a phone number as WeChat gives it when a member binds it: with its country code."""
    return phone if phone.startswith("+") else f"+86{phone}"


def till_numbers(asked: str) -> list[str]:
    """Return the numbers at the till that staff may mean (K001, till:K001), the likeliest first.

    An import keeps a number as its file writes it, without what nobody sees, and a phone in its one
    form; so ` ｋ００１` is K001, and `+86 138-0000-0001` is 13800000001.
    """
    plain = str(typed.name(unicodedata.normalize("NFKC", asked))).removeprefix("till:").strip()
    bare = str(typed.word(plain))
    forms = (plain, str(typed.phone(plain)), bare, plain.upper(), bare.upper())
    return [form for form in dict.fromkeys(forms) if form]
