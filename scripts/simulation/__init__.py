"""Simulated guests with habits use the real functions for some days of a chain."""
