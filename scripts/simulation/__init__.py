"""A chain's days, played through the real functions by guests with habits."""
