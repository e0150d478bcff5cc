"""Members: who they are, what they have agreed to, and how they are reached."""
