"""Points (a ledger whose sums can be checked), tiers, and the benefits of both."""
