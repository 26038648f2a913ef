"""Codes that people copy by hand."""

import secrets

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def generate() -> str:
    """100 random bits in four groups, without letters and digits that look alike."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))


def normalise(code: str) -> str:
    """As it was given out, whatever case, spaces and hyphens it was typed with."""
    letters = "".join(code.split()).replace("-", "").upper()
    return "-".join(letters[start : start + 5] for start in range(0, len(letters), 5))
