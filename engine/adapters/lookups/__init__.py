"""Ways to know who is on call."""
