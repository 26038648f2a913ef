"""What can go wrong on the way out, and what people are told of it."""

UNREACHABLE = (
    "The address could not be reached. Check it, "
    "or ask whoever runs ConnHub whether it may be reached from here."
)


class BadAddress(ValueError):
    """The address as typed can't be used; the text is one plain sentence for a form field."""


class Unsendable(ValueError):
    """The request can't be written as HTTP; the text never repeats what was in it."""


class Unreachable(OSError):
    """No connection was made, whatever the cause: all causes read alike to people.

    `reason` holds the true cause, for operators alone: "denied", "own endpoint", "malformed",
    "unresolvable", "closed" or "timeout".
    """

    text = UNREACHABLE

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or self.text)
        self.reason = reason


class TLSFailed(Unreachable):
    """A checked address was connected to, but its certificate or TLS is not acceptable."""

    text = "The address did not offer a secure connection that could be verified."


class NoAnswer(Unreachable):
    """A checked address was connected to, but gave no complete answer in time."""

    text = "The address was reached, but gave no complete answer in time. Try again later."


class AnswerTooLarge(OSError):
    """The answer is longer than the caller takes, counted after decompression."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The answer is larger than the {max_bytes} bytes that are read here.")
