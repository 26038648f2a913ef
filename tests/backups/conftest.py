import os
import shutil
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.conftest import CANARY

from .installation import Installation

SCENE = """
from datetime import timedelta
from importlib import import_module
from django.conf import settings
from django.utils import timezone
from connhub.accounts import outbox
from connhub.accounts.models import Letter, Role, Session
from connhub.accounts.session_store import SessionStore
from connhub.audit.models import Position
from connhub.connections import lifecycle, tasks
from connhub.connections.models import Authorization, Credential, Import, Status
from connhub.vault.startup import check_keys
from tests.factories import AuthMethodFactory, ServiceFactory, UserFactory, connect
CANARY = {canary!r}
now = timezone.now()
check_keys()
root = UserFactory(name="Root", email="root@acme.example", role=Role.SUPER_ADMIN)
ada = UserFactory(name="Ada", email="ada@acme.example", role=Role.ADMIN)
connect(ada, secret=CANARY)
gone = connect(ada, secret="gone-" + CANARY, link_name="gone", name="Gone")
lifecycle.revoke(gone, by=ada)
method = AuthMethodFactory(kind="oauth2_code", config={{}})
crm = connect(ada, link_name="crm", name="CRM", method=method, secrets={{}})
grant = Credential(connection=crm, status=Status.CONNECTED, renewable=True, expires_at=now,
    lease_until=now + timedelta(seconds=30), fence=5, intent_version=1)
grant.payload.put({{"access_token": CANARY, "refresh_token": CANARY}})
grant.save()
crm.sum_up()
session = SessionStore()
session.update({{"_auth_user_id": str(ada.pk), "said": CANARY}})
session.create()
letter = Letter(to="ada@acme.example", subject="Hello", next_try_at=now)
letter.body.put(CANARY)
letter.save()
pending = Authorization(connection=crm, user=ada, redirect_uri="https://x.example", state_digest="s",
    session_digest="s", expires_at=now)
pending.verifier.put(CANARY)
pending.save()
held = Import(user=ada, expires_at=now)
held.content.put(CANARY)
held.save()
Position.objects.create(name="file:/x", sequence=3, held_until=now + timedelta(days=9))
tasks.tell_providers()
print(session.session_key)
"""


@pytest.fixture(scope="session")
def make(tmp_path_factory, request):
    """Makes installations, of the kind of database that the tests run on."""

    def made(keys=None) -> Installation:
        home = tmp_path_factory.mktemp("installation")
        if keys:
            shutil.copy(keys, home / "connhub.keys")
        return Installation(home, new_database(request))

    return made


def new_database(request) -> str:
    """The URL of a new database on PostgreSQL; none is needed on SQLite."""
    if connection.vendor == "sqlite":
        return ""
    url, name = os.environ["DATABASE_URL"].rpartition("/")[0], f"backups_{uuid4().hex[:12]}"

    def do(statement: str) -> None:
        with psycopg.connect(f"{url}/postgres", autocommit=True) as server:
            server.execute(sql.SQL(statement).format(sql.Identifier(name)))

    do("CREATE DATABASE {}")
    request.addfinalizer(lambda: do("DROP DATABASE {} WITH (FORCE)"))
    return f"{url}/{name}"


@pytest.fixture(scope="session")
def lived_in(make) -> Installation:
    """With people, connections and their secrets, and much that is under way."""
    return with_life(make())


@pytest.fixture
def changing(make) -> Installation:
    """Like the one that is lived in, to be changed."""
    return with_life(make())


def with_life(made: Installation) -> Installation:
    made.manage("migrate", "-v0")
    made.session_key = made.python(SCENE.format(canary=CANARY))
    return made


@pytest.fixture(scope="session")
def backup(lived_in, tmp_path_factory):
    """A backup of that installation."""
    path = tmp_path_factory.mktemp("backups") / "connhub.tar.gz"
    assert lived_in.manage("backup", path)[0] == 0
    return path


@pytest.fixture
def empty(make, lived_in) -> Installation:
    """With the keys of the other one, and nothing in its database."""
    return make(lived_in.keys)


@pytest.fixture(scope="session")
def restored(make, lived_in, backup):
    """The backup brought back in an empty place, to look at, and what that said."""
    made = make(lived_in.keys)
    code, out, err = made.manage("restore", backup)
    assert (code, err) == (0, "")
    return made, out


@pytest.fixture(scope="module")
def occupied(make, lived_in, backup):
    """A place with the data of the backup, for what takes its place; and a person besides."""
    made = make(lived_in.keys)
    made.manage("restore", backup)
    made.python("from tests.factories import UserFactory; UserFactory(email='x@acme.example')")
    return made
