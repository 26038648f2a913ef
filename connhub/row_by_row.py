"""Conditions that are asked of each row looked at, however many rows they could be gathered from."""

from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull, LessThan


def there_is(rows: QuerySet) -> IsNull:
    """Like EXISTS, for which PostgreSQL would first gather all that any row could ask for."""
    return IsNull(_first(rows), False)


def there_is_none(rows: QuerySet) -> LessThan:
    """Like NOT EXISTS. That no number was found, PostgreSQL would take for rare, and sort first."""
    return LessThan(Coalesce(_first(rows), 0), 1)


def _first(rows: QuerySet) -> Subquery:
    return Subquery(rows.order_by().values("pk")[:1])
