"""What staff see of a member's name and phone, and in which form a phone number is hashed."""

from __future__ import annotations


def masked_name(name: str | None) -> str | None:
    """Return a name of which only the first sign is left: 王小明 is `王**`."""
    return f"{name[0]}**" if name else None


def masked_digits(last4: str | None) -> str | None:
    """Return a phone's last digits of which only two are left: 8801 is `**01`."""
    return f"**{last4[-2:]}" if last4 else None


def international(phone: str) -> str:
    """Return a phone number as WeChat gives it when a member binds it: with its country code."""
    return phone if phone.startswith("+") else f"+86{phone}"
