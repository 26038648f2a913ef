"""Who reaches which connection, and why: told by the rules that the app enforces."""
