"""What is made of a recording: pure, and about values alone."""
