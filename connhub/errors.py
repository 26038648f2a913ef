"""The one family of errors that people are meant to read."""

from collections.abc import Sequence
from typing import ClassVar

Link = tuple[str, str]


class Refusal(Exception):
    """Something was asked that can't be done in the present state.

    A subclass is named for what stands in the way and gives `code` (kebab-case, stable, for the API)
    and `text` (one plain sentence for people: what happened, what to do). `RefusalMiddleware`
    answers it with `status`, so that no view catches it; `wait_s` seconds later the same may be
    asked again (0: that it helps to wait is not known). `links` are (label, URL) pairs.
    """

    code: ClassVar[str] = "refused"
    text: str = "That can't be done now."
    status: ClassVar[int] = 409
    wait_s: int = 0

    def __init__(self, text: str | None = None, *, links: Sequence[Link] = ()) -> None:
        if text is not None:
            self.text = text
        self.links = list(links)
        super().__init__(self.text)
