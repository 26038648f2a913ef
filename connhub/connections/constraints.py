"""Constraints and indexes that several models have alike."""

from django.db import models
from django.db.models import Q


def one_row_per_case(prefix: str) -> list[models.BaseConstraint]:
    """One row for all environments, and one for each."""
    return [
        models.UniqueConstraint(
            fields=["connection"], condition=Q(environment=None), name=f"{prefix}_for_all"
        ),
        models.UniqueConstraint(
            fields=["connection", "environment"], name=f"{prefix}_per_environment"
        ),
    ]


def soonest(name: str, index: str, **more: bool) -> models.Index:
    """An index of a moment, over the rows that have one."""
    there = Q(**{f"{name}__isnull": False}, **more)
    return models.Index(fields=[name], condition=there, name=index)
