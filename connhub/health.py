"""For operators: is the process alive, and can it serve."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from connhub.vault.keyring import BadKeys
from connhub.vault.startup import WrongKeys, compare_keys


@login_not_required
@require_safe
def healthz(request):
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request):
    """503 while the database can't be asked or the key ring doesn't fit it."""
    checks = {"database": _database_answers(), "keys": _keys_fit()}
    ready = all(checks.values())
    said = {"ready": ready} | checks
    return (
        JsonResponse(said)
        if ready
        else JsonResponse(said, status=503, headers={"Retry-After": "5"})
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() == (1,)
    except DatabaseError:
        return False


def _keys_fit() -> bool:
    try:
        compare_keys()
    except (WrongKeys, BadKeys, DatabaseError):
        return False
    return True
