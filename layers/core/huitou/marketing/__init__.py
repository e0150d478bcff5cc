"""Campaigns: for whom, when, by the law, and whether they worked."""
