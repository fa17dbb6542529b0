"""A recording as a page, and as lines while it is made."""
