"""Faults under load, and a ledger of what became of each page."""
