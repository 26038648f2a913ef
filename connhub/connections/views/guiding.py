from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from connhub.accounts.models import Environment
from connhub.accounts.permissions import may
from connhub.errors import Refusal
from connhub.htmx import wants_fragment
from connhub.lookup import named_or_404

from .. import testing, trying
from ..auth import METHODS, is_interactive
from ..guide import begin_with, guide_to
from ..models import Connection
from ..try_form import CallForm
from .changing import administered

MOST_INTEGRATIONS = 10


@require_safe
def guide(request, link_name):
    """How a flow uses the connection in one environment, with code to copy and a call to try."""
    connection = _visible(request, link_name)
    return render(request, "connections/guide.html", _context(request, connection))


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def try_call(request, link_name):
    """Makes one real call, or the test of what is not called over HTTP; looked at, it is the guide."""
    connection = administered(request, link_name, to="try")
    context = _context(request, _visible(request, link_name), request.POST or None)
    if request.method == "POST":
        context |= _tried(request, connection, context)
    template = "_try" if wants_fragment(request) else "guide"
    return render(request, f"connections/{template}.html", context)


def _visible(request, link_name):
    visible = Connection.objects.visible_to(request.user).for_summary()
    whole = visible.prefetch_related("settings", "service__endpoints")
    return get_object_or_404(whole, link_name=link_name)


def _context(request, connection, data=None):
    environment = _environment_of(request, connection)
    shown = guide_to(connection, environment, request.user)
    method = METHODS[connection.auth_method.kind]
    places = connection.integrations.visible_to(request.user).annotate(
        keys_there=Count("keys", _good_in(environment), distinct=True)
    )
    signed_in = connection.login_user and connection.credential_for(environment, request.user)
    return {
        "connection": connection,
        "environment": environment,
        "environments": Environment.objects.all(),
        "status": connection.standing_in(environment),
        "guide": shown,
        "is_http": method.is_http,
        "is_interactive": is_interactive(connection.auth_method),
        "added": method.added(connection.auth_method),
        "added_by_default": list(connection.auth_method.config.get("headers", {})),
        "integrations": places[:MOST_INTEGRATIONS],
        "may_administer": may(request.user, "connection.edit", connection),
        "may_try": may(request.user, "connection.try", connection),
        "has_signed_in": bool(signed_in),
        "form": CallForm(data, sample=shown.sample, environment=environment),
    }


def _environment_of(request, connection):
    if slug := request.GET.get("environment"):
        return named_or_404(Environment, slug=slug)
    return begin_with(connection)


def _good_in(environment):
    """The condition that an integration's key can be used there."""
    good = Q(keys__revoked_at=None, keys__expires_at__gt=timezone.now())
    return good & Q(keys__environment=environment)


def _tried(request, connection, context):
    """What came of it, for the page."""
    form, environment = context["form"], context["environment"]
    try:
        if not context["is_http"]:
            report = testing.test(connection, by=request.user, environment=environment)
            return {"report": report}
        if not form.is_valid():
            return {}
        if form.to_confirm not in ("", request.POST.get("confirmed")):
            return {"to_confirm": form.to_confirm}
        answer = trying.try_call(form.asked, connection, environment=environment, by=request.user)
        return {"answer": answer}
    except Refusal as refusal:
        return {"refusal": refusal}
