"""The pure core: what happened goes in, what it means comes out."""
