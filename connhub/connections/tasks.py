from datetime import timedelta

from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from connhub.audit.context import Context
from connhub.services.models import OAuthApp

from . import held_grants, rotation
from .bulk_tests import testing as bulk
from .bundles import imports
from .models import Authorization, ConnectLink, Telling
from .telling import providers

# Longer than a change waits to be authorized and an authorization then takes.
ABANDONED = timedelta(hours=2)
# What came by a connect link waits shorter than that for an admin.
OVER = timedelta(days=7)


@db_periodic_task(crontab(minute="*/15"))
def forget_expired_authorizations() -> None:
    """Sign-ins at a provider that nobody came back from leave nothing behind."""
    held_grants.forget_expired()
    now = timezone.now()
    Authorization.objects.filter(grant=None, expires_at__lt=now).delete()
    OAuthApp.objects.filter(shared=False, connection=None, created_at__lt=now - ABANDONED).delete()
    ConnectLink.objects.filter(expires_at__lt=now - OVER).delete()


@db_periodic_task(crontab(minute="*"))
def destroy_old_values() -> None:
    """Old values of rotated secrets end with their grace time."""
    rotation.destroy_over()


@db_task()
def apply_import(pk: str, run: int, *context: str) -> None:
    """Apply an import that somebody started in this context."""
    imports.run(pk, run, Context(*context))


def enqueue_import(pk: str, run: int, context: Context) -> None:
    apply_import(pk, run, *context)


@db_periodic_task(crontab(minute="*/5"))
def forget_expired_imports() -> None:
    """Files that nobody went on importing leave nothing behind."""
    imports.forget_expired()


@db_task()
def test_next(pk: str, *context: str) -> None:
    """Test the next connection of a bulk test that was started in this context."""
    bulk.test_next(pk, Context(*context), enqueue=enqueue_bulk_test)


def enqueue_bulk_test(pk: str, context: Context) -> None:
    test_next(pk, *context)


@db_periodic_task(crontab(minute="*/5"))
def look_after_bulk_tests() -> None:
    """Bulk tests go on after a stop, and are forgotten after a week."""
    bulk.look_after(enqueue_bulk_test)


@db_task()
def tell_providers() -> None:
    """Tell one provider what it has yet to hear, then leave the worker to others before the next."""
    if providers.tell_next():
        tell_providers()


@db_periodic_task(crontab(minute="*"))
def tell_providers_again() -> None:
    """Those that were not told yet, or did not answer."""
    if Telling.objects.filter(next_at__lte=timezone.now()).exists():
        tell_providers()
