"""The doctor: what of an installation is not as it should be, and what to do."""
