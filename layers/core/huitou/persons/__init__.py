"""One person under several member ids after merges: which ids, and whether somebody has them."""
