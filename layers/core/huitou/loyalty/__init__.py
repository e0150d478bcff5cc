"""Points as a ledger that proves itself, tiers, and what either brings."""
