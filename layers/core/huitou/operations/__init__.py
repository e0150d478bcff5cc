"""The chain's own people: their permissions, and what they look up, import, correct and check."""
