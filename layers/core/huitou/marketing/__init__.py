"""Campaigns: whom they are for, when they send, what the law allows, and whether they worked."""
