"""Telling providers that tokens of theirs are done with."""
