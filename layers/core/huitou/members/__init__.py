"""Who a member is, what they agreed to, and how they are reached."""
