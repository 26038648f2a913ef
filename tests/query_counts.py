"""How many queries one operation may take, and which ones it took."""

from collections.abc import Callable

from django.db import connection as database
from django.test.utils import CaptureQueriesContext

MOST = 11
# What begins and ends a transaction is not counted.
CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "COMMIT")


def few_queries(act: Callable[[], object], most: int = MOST) -> None:
    """Act, and count; a failure shows every query."""
    with CaptureQueriesContext(database) as captured:
        act()

    queries = [query["sql"] for query in captured if not query["sql"].startswith(CONTROL)]
    assert len(queries) <= most, "\n".join(queries)


def operations(scene: type) -> list[Callable]:
    """What can be done in a scene, each a test of its own."""
    return [act for name, act in vars(scene).items() if name[0] != "_" and callable(act)]
