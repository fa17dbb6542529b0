"""Demonstrations with topologies or loads of their own."""
