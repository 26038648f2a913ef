"""What is done with many connections at once, in the background."""
