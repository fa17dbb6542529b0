"""Servers and clients of others, and the program alone, as the tests need them."""
