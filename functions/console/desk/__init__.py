"""The console's routes, one module for each area; its `ROUTES` are named by action."""
