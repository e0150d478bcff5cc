"""From a cart to a completed order, and to the ledger entries that follow from the order."""
