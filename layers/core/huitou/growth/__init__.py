"""How guests come: brought by friends, or passing by."""
