"""From a cart to a completed order, and what the ledgers hold of it."""
