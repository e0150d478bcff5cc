"""Coupons: issuing them, codes that bring one, giving one to a friend."""
