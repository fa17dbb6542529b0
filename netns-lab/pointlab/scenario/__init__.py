"""What is done to a lab, step by step, and how it came out."""
