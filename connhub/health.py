"""For operators: is the process alive, and can it serve."""

from functools import cache

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from huey.contrib.djhuey import HUEY

from connhub.vault.keyring import BadKeys
from connhub.vault.models import KeyCheck
from connhub.vault.startup import WrongKeys, compare_keys


@login_not_required
@require_safe
def healthz(request):
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request):
    """503, and which of these fails, while it can't serve as it should."""
    checks = {name: check() for name, check in CHECKS.items()}
    ready = all(checks.values())
    said = {"ready": ready} | checks
    return (
        JsonResponse(said)
        if ready
        else JsonResponse(said, status=503, headers={"Retry-After": "5"})
    )


def _database_takes_writes() -> bool:
    """By a write that finds no row."""
    try:
        KeyCheck.objects.filter(pk="").update(canary_version=0)
    except DatabaseError:
        return False
    return True


def _migrations_are_applied() -> bool:
    """All of this version's; those of a newer one, on its way in, do no harm."""
    try:
        return _last_migrations() <= MigrationRecorder(connection).applied_migrations().keys()
    except DatabaseError:
        return False


@cache
def _last_migrations() -> frozenset[tuple[str, str]]:
    """The last of each app, as this version has them."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def _queue_answers() -> bool:
    try:
        HUEY.pending_count()
    except Exception:  # whatever its store says
        return False
    return True


def _keys_fit() -> bool:
    try:
        compare_keys()
    except (WrongKeys, BadKeys, DatabaseError):
        return False
    return True


CHECKS = {
    "database": _database_takes_writes,
    "migrations": _migrations_are_applied,
    "keys": _keys_fit,
    "queue": _queue_answers,
}
