"""The commands: a file for each, which has its help, its options and what it does."""
