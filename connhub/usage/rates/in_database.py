"""The shared count as rows of the database, where there is no Redis."""

import time
from collections.abc import Sequence

from django.db import Error as DatabaseFailed
from django.db import connection, transaction

from .counting import Answer, Ask, CountAway, Counter
from .models import RateCount

# Makes, locks and reads the row in one; PostgreSQL's clock is then that of all processes.
READ = """
    INSERT INTO usage_ratecount (who, number, now, before, over_at) VALUES (%s, 0, 0, 0, 0)
    ON CONFLICT (who) DO UPDATE SET number = usage_ratecount.number RETURNING number, now, before
"""
CLOCK = ", extract(epoch FROM clock_timestamp())"
WRITE = "UPDATE usage_ratecount SET number = %s, now = %s, before = %s, over_at = %s WHERE who = %s"


def exchange(asks: Sequence[Ask]) -> list[Answer]:
    """The answers to the asks, in one transaction. Raises: CountAway."""
    # In the same order everywhere, so that nobody waits for somebody who waits for them.
    ordered = sorted(enumerate(asks), key=lambda each: each[1].who)
    try:
        with transaction.atomic():
            answers = {number: _answer(ask) for number, ask in ordered}
    except DatabaseFailed:
        raise CountAway from None
    return [answers[number] for number in range(len(asks))]


def forget() -> None:
    """Delete the counts that no longer count: their windows are over, and the next ones too."""
    RateCount.objects.filter(over_at__lt=time.time()).delete()


def _answer(ask: Ask) -> Answer:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(READ + CLOCK, [ask.who])
            *stored, now = cursor.fetchone()
        else:
            cursor.execute(READ, [ask.who])
            stored, now = cursor.fetchone(), time.time()
        counter = Counter(*stored)
        answer = counter.answer(ask, float(now))
        over_at = (counter.window + 2) * ask.rate.window_s
        cursor.execute(WRITE, [counter.window, counter.now, counter.before, over_at, ask.who])
    return answer
