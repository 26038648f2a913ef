"""The page about the vault's keys, for super admins."""

from typing import Any

from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.htmx import sent_to, wants_fragment
from connhub.vault.models import KeyRotation

from .. import key_page, resealing, tasks
from .. import vault_keys as operations
from ..permissions import require
from ..reauthentication import recently_authenticated


@require_safe
@vary_on_headers("HX-Request")
def vault_keys(request):
    require(request.user, "account.administer")
    table, run = key_page.table(), KeyRotation.objects.first()
    context: dict[str, Any] = {
        "table": table,
        "run": run,
        "outcome": resealing.outcome_of(run) if run else "",
        "unreadable": key_page.unreadable_of(run),
    }
    if run and not run.ended_at:
        context["progress"] = key_page.progress_of(run, table.left)
        context["is_deserted"] = resealing.is_deserted(run)
    template = "_vault_keys.html" if wants_fragment(request) else "vault_keys.html"
    return render(request, f"accounts/{template}", context)


@require_POST
@recently_authenticated
def rotate_vault_keys(request):
    operations.start(by=request.user)
    tasks.go_on_rotating()
    return sent_to(request, "accounts:vault_keys")
