"""Days as people mean them, in the time zone of the account."""

from datetime import date, datetime, time

from django.utils.timezone import make_aware


def midnight(day: date) -> datetime:
    """The moment at which the day begins."""
    return make_aware(datetime.combine(day, time.min))
