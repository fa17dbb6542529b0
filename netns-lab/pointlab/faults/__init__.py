"""What can be broken, how, and how it is healed."""
