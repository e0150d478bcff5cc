"""Offers that take money off a cart, their limits, and the cheapest price that they allow."""
