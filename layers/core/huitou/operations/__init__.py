"""The chain's own people: who may do what, what they look up, move in and mend."""
