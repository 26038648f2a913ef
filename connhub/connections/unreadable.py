"""A credential that can't be opened is a status of its connection: told, and told when it is over."""

from django.db import models, transaction

from connhub.audit.log import record

from .access import CredentialUnreadable
from .models import Connection, Credential, Status

WHY = CredentialUnreadable.text
ACCEPTED = (Status.CONNECTED, Status.FAILING)


def note(sender, row: models.Model, **kwargs) -> None:
    """A rotation of the vault's keys could not open this: if it is a credential, it fails."""
    if isinstance(row, Credential):
        credential = _whole(row.pk)
        if credential and credential.last_error != WHY:
            _turn(credential, Status.FAILING, WHY, "connection.secret_unreadable")


def look_again(sender, **kwargs) -> None:
    """Those that could not be opened and now can, because a key came back, work again."""
    for pk in Credential.objects.filter(last_error=WHY).values_list("pk", flat=True):
        credential = _whole(pk)
        if credential and credential.payload.opens():
            _turn(credential, Status.CONNECTED, "", "connection.secret_readable")


def _whole(pk: object) -> Credential | None:
    found = Credential.objects.live().select_related("connection", "environment", "user")
    return found.filter(pk=pk, status__in=ACCEPTED).first()


@transaction.atomic
def _turn(credential: Credential, status: Status, why: str, action: str) -> None:
    connection = Connection.objects.locked(credential.connection_id)
    same = Credential.objects.filter(
        pk=credential.pk, payload_version=credential.payload_version, status__in=ACCEPTED
    )
    if not same.update(status=status, last_error=why):
        return
    connection.sum_up()
    where = {"environment": str(credential.environment)} if credential.environment else {}
    whose = {"user": credential.user.email} if credential.user else {}
    outcome = "failed" if why else "ok"
    record(action, on=connection, outcome=outcome, detail=where | whose)
