"""Stores and their menus."""
