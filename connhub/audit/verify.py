"""Whether the record is whole: finds edits, deletions, insertions, reordering and a cut tail."""

import hmac
from typing import NamedTuple

from connhub.vault.keyring import KeyMissing, audit_mac

from .log import COLUMNS, HEAD, message
from .models import Event, EventQuerySet, Head
from .sentences import kind_of

ACTION = COLUMNS.index("action")


class Verdict(NamedTuple):
    """How many events hold, the chain's head, and the first thing wrong, if any."""

    events: int
    head: str
    problem: str = ""


def verify() -> Verdict:
    """Walk the whole chain from its first event; others may go on recording meanwhile."""
    verdict = _walk(Verdict(0, "0:"), Event.objects.all())
    if verdict.problem:
        return verdict
    head = Head.objects.filter(pk=HEAD).first() or Head()
    # What was recorded since the walk began, up to the head just read.
    verdict = _walk(verdict, Event.objects.filter(sequence__lte=head.sequence))
    return verdict if verdict.problem else verdict._replace(problem=_problem_at(head, verdict))


def _walk(verdict: Verdict, events: EventQuerySet) -> Verdict:
    """Go on from where the verdict's walk ended."""
    count, mac = verdict.events, verdict.head.partition(":")[2]
    rows = events.filter(sequence__gt=count).order_by("sequence")
    read = rows.values_list(*COLUMNS, "kind", "key_id", "mac")
    for *values, kind, key_id, new_mac in read.iterator(5000):
        problem = _problem_with(tuple(values), kind, key_id, new_mac, mac, count + 1)
        if problem:
            return Verdict(count, f"{count}:{mac}", problem)
        count, mac = count + 1, new_mac
    return Verdict(count, f"{count}:{mac}")


def _problem_with(
    values: tuple, kind: str, key_id: str, mac: str, previous: str, expected: int
) -> str:
    if values[0] != expected:
        return f"Event {expected} is missing; the next one is {values[0]}."
    try:
        _, right = audit_mac(message(values, previous), bytes.fromhex(key_id))
    except (KeyMissing, ValueError):
        return f"Event {expected} was signed with key {key_id}, which isn't in the key ring."
    is_right = hmac.compare_digest(right.hex().encode(), mac.encode())
    # The kind, which the MAC doesn't cover, follows from the action, which it does.
    if not is_right or kind != kind_of(values[ACTION]):
        return f"Event {expected} was changed, or an event before it was."
    return ""


def _problem_at(head: Head, verdict: Verdict) -> str:
    if verdict.head != f"{head.sequence}:{head.mac}":
        return f"The chain ends at event {verdict.events}, but its head says {head.sequence}."
    return ""
