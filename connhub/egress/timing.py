"""Failures that take equally long, so that time does not tell what is behind an address."""

import asyncio
import time
from types import TracebackType

FLOOR_S = 0.4


class even_timing:  # noqa: N801
    """A block, `with` or `async with`, whose failures take at least `floor_s` seconds."""

    def __init__(self, floor_s: float = FLOOR_S) -> None:
        self.floor_s = floor_s

    def __enter__(self) -> "even_timing":
        self._ends_at = time.monotonic() + self.floor_s
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None
    ) -> None:
        if kind:
            time.sleep(self._left_s())

    async def __aenter__(self) -> "even_timing":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None
    ) -> None:
        if kind:
            await asyncio.sleep(self._left_s())

    def _left_s(self) -> float:
        return max(0.0, self._ends_at - time.monotonic())
