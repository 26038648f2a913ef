"""The pages that the types of problem documents lead to: for whoever has one, signed in or not."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .. import reasons
from ..api.admin.api import api as admin_api
from ..api.docs import refused_with
from ..api.runtime import api as runtime_api

APIS = (runtime_api, admin_api)


@login_not_required
@require_safe
def problems(request):
    """Every problem that the runtime API can answer with."""
    return render(request, "usage/problems.html", {"reasons": reasons.BY_CODE.values()})


@login_not_required
@require_safe
def problem(request, code):
    """What one means, what to do, and which calls of either API answer with it."""
    reason = reasons.reason_of(code)
    if reason is None:
        raise Http404
    calls = [call for api in APIS for call in refused_with(code, api.get_openapi_schema())]
    return render(request, "usage/problem.html", {"reason": reason, "calls": calls})
