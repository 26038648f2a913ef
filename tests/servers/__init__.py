"""Real servers for the tests: each a process of its own on loopback, gone when the tests end."""
