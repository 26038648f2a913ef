"""Replies with a number and one line or more, as SMTP and FTP have them."""

from connhub.connections.reports import StepFailed

from .dialogue import Dialogue


def hear_reply(dialogue: Dialogue) -> tuple[int, list[bytes]]:
    """The next reply: its code, and its lines without it (RFC 5321, 4.2; RFC 959, 4.2).

    Raises:
        StepFailed: what comes is no reply.
    """
    first = dialogue.hear()
    code = first[:3]
    if not (code.isdigit() and first[3:4] in (b"", b" ", b"-")):
        raise StepFailed(*dialogue.stranger)
    lines = [first[4:]]
    while first[3:4] == b"-":
        line = dialogue.hear()
        lines.append(line.removeprefix(code)[1:] if line.startswith(code) else line)
        if line[:4].rstrip() == code:
            break
    return int(code), lines
