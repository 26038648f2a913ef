"""Register, among what the listing does to many connections at once."""

from connhub.accounts.models import User
from connhub.connections.bulk import Action
from connhub.connections.models import Connection
from connhub.errors import Refusal

from . import registration
from .forms import RegisterWithForm
from .models import Integration


class AlreadyRegistered(Refusal):
    code = "already-registered"
    text = "It is registered there already."


def register(connection: Connection, *, integration: Integration, by: User) -> str | None:
    """Register one of them; a disabled one is registered all the same, and that is said.

    Raises: AlreadyRegistered, or as `registration.register` does.
    """
    if not registration.register(integration, [connection], by=by):
        raise AlreadyRegistered
    return "Registered. It is disabled: calls over it fail." if connection.disabled_at else None


REGISTER = Action("register", "Register", "Registered.", register, form=RegisterWithForm)
