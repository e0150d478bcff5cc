"""What takes money off a cart: offers, their limits, and the best legal price."""
