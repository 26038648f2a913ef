"""What a person changes about themself."""

from django.db import transaction

from connhub.audit.log import record

from .models import User


@transaction.atomic
def rename(user: User, *, to: str, by: User) -> None:
    user.name = to
    user.save(update_fields=["name"])
    record("person.renamed", by=by, on=user, fields=["name"], change=False)


@transaction.atomic
def change_password(user: User, *, to: str, by: User) -> None:
    """Set a new password; every other session of the person ends."""
    user.set_password(to)
    user.save(update_fields=["password"])
    record("person.password_changed", by=by, on=user, fields=["password"])
