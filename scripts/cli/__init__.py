"""`scripts/huitou`: one file per command."""
