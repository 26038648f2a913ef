"""What connections are called in code."""

import re

LINK_NAME = r"^[a-z][a-z0-9_]{0,49}$"
# They stand where a link name stands in URLs.
RESERVED = frozenset({"new", "export", "import", "deleted", "tests", "unused"})


def is_link_name(text: str) -> bool:
    """Whether a connection may be called that in code."""
    return bool(re.fullmatch(LINK_NAME, text)) and text not in RESERVED
