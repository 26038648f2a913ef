"""The pages that the types of problem documents lead to: for whoever has one, signed in or not."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .. import reasons
from ..api.admin.api import api as admin_api
from ..api.docs import refused_with
from ..api.runtime import api


@login_not_required
@require_safe
def problems(request):
    """Every problem that the runtime API can answer with."""
    return render(request, "usage/problems.html", {"reasons": reasons.BY_CODE.values()})


@login_not_required
@require_safe
def problem(request, code):
    """What one means, what to do, and which calls answer with it."""
    documents = [each.get_openapi_schema() for each in (api, admin_api)]
    calls = [call for document in documents for call in refused_with(code, document)]
    reason = reasons.BY_CODE.get(code)
    if reason is None and not calls:
        raise Http404
    reason = reason or reasons.in_short(code)
    return render(request, "usage/problem.html", {"reason": reason, "calls": calls})
