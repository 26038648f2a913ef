from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def using(**settings: Any) -> Iterator[None]:
    """Within the block Django's database connection has these settings in place of its own."""
    before = connection.settings_dict
    connection.close()
    connection.settings_dict = before | settings
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = before
