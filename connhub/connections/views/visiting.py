"""What somebody without an account sees who opens a connect link: that one connection, and no more.

The token is exchanged for a note in the session, so that no history keeps it.
"""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from connhub.errors import Refusal
from connhub.middleware import refuse

from .. import authorize as authorization
from ..auth import is_interactive
from ..connect_link_forms import VisitorForm, VisitorName
from ..connect_links import using
from ..connect_links.validity import LinkDead
from ..connecting import ConnectFailed
from ..testing import has_test

# In the session: for each link that was opened, what came of it ({} until something did).
OPENED = "connect_links"


@login_not_required
@require_safe
def open_connect_link(request, link_token):
    """Exchanges the token, and goes on to a URL without it."""
    try:
        link = using.open_link(link_token)
    except Refusal as refusal:
        response = refuse(request, refusal)
    else:
        if not request.user.is_authenticated:
            request.session.cycle_key()
        remember(request, link)
        response = redirect("connect_link", link.pk)
    response["Referrer-Policy"] = "no-referrer"
    return response


def remember(request, link, **outcome):
    request.session[OPENED] = request.session.get(OPENED, {}) | {str(link.pk): outcome}


def is_visitor(request):
    """Whether a connect link was opened in this session."""
    return OPENED in request.session


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def connect_link(request, pk):
    outcome = request.session.get(OPENED, {}).get(str(pk))
    if outcome is None:
        raise LinkDead
    if outcome:
        return render(request, "connections/visit_done.html", outcome)
    link = using.valid(pk)
    if is_interactive(link.connection.auth_method):
        return _to_provider(request, link)
    return _typed(request, link)


def _to_provider(request, link):
    form = VisitorName(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        if request.session.session_key is None:
            raise LinkDead
        url = using.begin(link, session_key=request.session.session_key, **form.cleaned_data)
        # Not a redirect: form-action 'self' would stop a form from leading to another site.
        return render(
            request, "connections/leave.html", {"connection": link.connection, "url": url}
        )
    try:
        host = authorization.host_of(link.connection, link.environment, {})
    except using.NOT_THEIRS:
        raise using.NotReady from None
    return _show(request, link, form, host=host)


def _typed(request, link):
    form = VisitorForm(
        request.POST if request.method == "POST" else None,
        connection=link.connection,
        environment=link.environment,
    )
    if form.is_bound and form.is_valid():
        try:
            using.give(link, form.secrets, used_by=form.cleaned_data["used_by"])
        except ConnectFailed as failure:
            form.add_error(None, failure.text)
        else:
            return arrived(request, link)
    return _show(request, link, form, is_tested=has_test(link.connection.service))


def _show(request, link, form, **more):
    connection = link.connection
    known = {scope["name"]: scope.get("label") for scope in connection.auth_method.scopes}
    context = {
        "link": link,
        "connection": connection,
        "form": form,
        "organisation": settings.CONNHUB_URL,
        "scopes": [known.get(name) or name for name in connection.scopes],
    }
    return render(request, "connections/visit.html", context | more)


def arrived(request, link, account="", waits=False):
    """To the page that says so, once the link has done its work."""
    connection = link.connection
    said = {"connection": str(connection), "service": str(connection.service)}
    remember(request, link, maker=str(link.made_by), account=account, waits=waits, **said)
    return redirect("connect_link", link.pk)


def came_back(request, error):
    """To the link's own page, which says what went wrong; else to that of the last one opened."""
    if error.link:
        messages.error(request, str(error))
        return redirect("connect_link", error.link.pk)
    return redirect("connect_link", list(request.session[OPENED])[-1])


def came_late(dead):
    """To the link's own page, which says that it can't be used any more."""
    return redirect("connect_link", dead.link.pk)
