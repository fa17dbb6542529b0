"""What is asked and seen of a lab while something happens to it."""
