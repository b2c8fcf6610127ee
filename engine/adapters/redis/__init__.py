"""Everything that is kept in Redis."""
