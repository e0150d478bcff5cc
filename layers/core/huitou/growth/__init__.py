"""How guests come: invited by friends, or because a store is near."""
