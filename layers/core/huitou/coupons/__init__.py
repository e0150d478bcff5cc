"""Coupons: issued, by code, handed on."""
