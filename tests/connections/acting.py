"""One process that acts as a person: `python -m tests.connections.acting LINK_NAME E-MAIL ACT`.

It says "ready", waits for a line, acts and says "done", "denied" or the code of the refusal. Whoever edits
looked at version 1.
"""

import sys

import django

django.setup()

from django.core.exceptions import PermissionDenied  # noqa: E402 - wants the apps

from connhub.accounts import people  # noqa: E402
from connhub.accounts.models import Environment, User  # noqa: E402
from connhub.connections import editing, lifecycle, own_settings, tagging  # noqa: E402
from connhub.connections.models import Connection  # noqa: E402
from connhub.connections.refresh import fresh_access  # noqa: E402
from connhub.errors import Refusal  # noqa: E402
from connhub.services import custom  # noqa: E402
from connhub.services.models import Service  # noqa: E402
from connhub.usage import flows  # noqa: E402
from connhub.usage.models import IntegrationKey  # noqa: E402


def create(connection: Connection, by: User) -> None:
    details = lifecycle.Details("Made", secrets={"key_1": f"secret of {by}"})
    lifecycle.create(connection.auth_method, details, link_name="made", by=by)


def rename(connection: Connection, by: User) -> None:
    lifecycle.rename(connection, to=f"Of {by}", by=by, seen=1)


def edit(connection: Connection, by: User) -> None:
    secrets = {"key_1": f"secret of {by}"}
    details = lifecycle.Details(f"Of {by}", f"Words of {by}", secrets=secrets)
    editing.edit(connection, details, by=by, seen=1)


def reconnect(connection: Connection, by: User) -> None:
    editing.reconnect(connection, {"key_1": f"secret of {by}"}, by=by, seen=1)


def set_up(connection: Connection, by: User) -> None:
    own_settings.give(
        connection,
        Environment.objects.get(slug="production"),
        parameters={},
        base_url=f"https://{by.name.lower()}.example",
        secrets={"key_1": f"secret of {by}"},
        by=by,
        seen=1,
    )


def tag(connection: Connection, by: User) -> None:
    tagging.retag(connection, add=[by.name], by=by)


def revoke(connection: Connection, by: User) -> None:
    lifecycle.revoke(connection, by=by)


def delete(connection: Connection, by: User) -> None:
    lifecycle.delete(connection, by=by)


def delete_eve(connection: Connection, by: User) -> None:
    people.delete(User.objects.get(name="Eve"), by=by)


def delete_acme(connection: Connection, by: User) -> None:
    custom.delete(Service.objects.get(slug="acme"), by=by)


def save_flow(connection: Connection, by: User) -> None:
    key = IntegrationKey.objects.get()
    steps = [flows.DeclaredStep("Read", "export", connection.link_name)]
    flows.declare("nightly", name="Nightly", steps=steps, by=key)


def call(connection: Connection, by: User) -> None:
    fresh_access(connection, None)


ACTS = {
    act.__name__: act
    for act in (
        create,
        rename,
        edit,
        reconnect,
        set_up,
        tag,
        revoke,
        delete,
        save_flow,
        call,
        delete_eve,
        delete_acme,
    )
}


def main(link_name: str, email: str, act: str) -> None:
    connection = Connection.objects.get(link_name=link_name)
    by = User.objects.get(email=email)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        ACTS[act](connection, by)
    except Refusal as refusal:
        print(refusal.code, flush=True)
    except PermissionDenied:
        print("denied", flush=True)
    else:
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
