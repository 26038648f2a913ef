"""Django's cache as something that may be away, as Redis may: then nothing is remembered."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import cache

Result = TypeVar("Result")
log = logging.getLogger(__name__)


def asked(ask: Callable[[], Result], *, otherwise: Result) -> Result:
    """What the cache answers, or `otherwise` while it doesn't."""
    try:
        return ask()
    except Exception as error:  # of whatever cache it is
        log.warning("The cache can't be used.", extra={"error": type(error).__name__})
        return otherwise


def recall(key: str) -> Any:
    """What was remembered under the key in the last few minutes; None if nothing was."""
    return asked(lambda: cache.get(key), otherwise=None)


def remember(key: str, value: Any) -> None:
    asked(lambda: cache.set(key, value), otherwise=None)
