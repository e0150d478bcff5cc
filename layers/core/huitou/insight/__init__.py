"""What the chain is measured by."""
