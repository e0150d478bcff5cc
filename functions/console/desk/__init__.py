"""What staff may ask for, an area a module: each has `ROUTES`, by the action's name."""
