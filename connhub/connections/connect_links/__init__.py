"""One-time links by which somebody without an account gives one connection its credentials."""
