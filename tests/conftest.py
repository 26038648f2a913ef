import gc
import os
import time

import pytest
from django.core.cache import cache
from django.core.management import CommandError
from django.core.management.commands.flush import Command as Flush
from django.db import connection as database

from connhub.accounts.models import Role
from connhub.audit import append_only
from connhub.sharing import roles

from .factories import IntegrationFactory, UserFactory, connect

pytest_plugins = ["tests.servers.fixtures"]

# Playwright's own event loop runs in the thread of the tests.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Planted wherever a secret can be stored; it must never come out where it should not.
CANARY = "canary-7f3e9a1c-never-to-be-seen"


def pytest_collection_finish():
    """Spare the garbage collector what stays for the whole run: it took a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True, scope="session")
def flush_may_empty_the_record():
    """Between tests with real transactions the tables are emptied, the append-only one too.

    A server at work may still write its call log: PostgreSQL then refuses one of both, and the
    emptying has to be tried again.
    """
    handle = Flush.handle

    def flush(command, **options):
        for tries_left in range(9, -1, -1):
            append_only.remove(database)
            try:
                return handle(command, **options)
            except CommandError:
                if not tries_left:
                    raise
                time.sleep(0.1)
            finally:
                append_only.install(database)
        return None

    Flush.handle = flush
    yield
    Flush.handle = handle


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    """Of the test before: what strangers did, what people with the same keys saw."""
    cache.clear()


@pytest.fixture
def ada(db):
    """Administers the connection."""
    return UserFactory(name="Ada", email="ada@acme.example", role=Role.ADMIN)


@pytest.fixture
def bob(db):
    """Shares the connection."""
    return UserFactory(name="Bob", email="bob@acme.example", role=Role.ADMIN)


@pytest.fixture
def eve(db):
    """Sees nothing."""
    return UserFactory(name="Eve", email="eve@acme.example")


@pytest.fixture
def root(db):
    """The super admin."""
    return UserFactory(name="Root", email="root@acme.example", role=Role.SUPER_ADMIN)


@pytest.fixture
def connection(ada, bob):
    made = connect(ada, name="Billing", link_name="billing", secret=CANARY)
    roles.grant(made, bob, by=ada)
    return made


@pytest.fixture
def integration(ada):
    made = IntegrationFactory(name="Order to cash", slug="order-to-cash")
    roles.grant(made, ada, by=ada)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where nobody looks, a test that did not run has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which counts as failed here: {report.longrepr[-1]}"
    return report
