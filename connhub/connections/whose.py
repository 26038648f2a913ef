"""Whose account at the service a new grant is for, and whether it is another than before."""

from collections.abc import Mapping
from typing import Any

from connhub.accounts.models import Environment
from connhub.egress.errors import AnswerTooLarge, BadAddress, Unreachable, Unsendable
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled, fill

from .access import at_the_service, base_url_for, injection_for, settings_for
from .auth import identity
from .auth.base import Granted
from .auth.provider import at, is_success, json_object
from .models import Connection, Credential, Status
from .pending import values_with, with_changes
from .sample_call import send

DEADLINE_S = 10


def account_of(
    connection: Connection,
    environment: Environment | None,
    pending: Mapping[str, Any],
    granted: Granted,
) -> str:
    """The account that was signed in with: as the token answer named it, else as the service does.

    The service is asked with the new token, for at most 10 s; "" if nobody says.
    """
    asked = connection.auth_method.config.get("identity")
    if granted.account or not asked:
        return granted.account
    changed = with_changes(connection, pending)
    stored = settings_for(changed, environment)
    parameters = pending.get("parameters", stored.parameters)
    base_url = pending.get("base_url") or base_url_for(changed, stored, environment)
    try:
        values = values_with(connection, environment, pending) | granted.secrets
        url = at_the_service(changed.auth_method, fill(base_url, parameters)) + asked["path"]
        answer = send({}, url, injection_for(connection.auth_method, values), deadline_s=DEADLINE_S)
    except (AnswerTooLarge, BadAddress, Unreachable, Unsendable, Refusal, Unfilled):
        return ""
    body = json_object(answer) if is_success(answer) else None
    return identity.as_name(at(body, asked["field"]))


def is_another(before: Credential | None, account: str) -> bool:
    """Whether the credential had an account and this is a different one."""
    was = before.account if before else ""
    return bool(was and account) and was.casefold() != account.casefold()


def is_in_use(there: Credential | None, account: str) -> bool:
    """Whether the credential that is there is connected as this account."""
    is_same = there is not None and account == there.account
    return bool(account and is_same and there and there.status == Status.CONNECTED)
