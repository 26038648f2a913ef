"""For somebody with a link: an invitation, or a new password in place of a forgotten one."""

import base64

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from connhub.vault.keyring import CantOpen, Place, open_sealed, seal

from .. import invitations, mail, resets, tasks
from ..forms import AcceptForm, ForgotForm, NewPasswordForm
from ..models import User
from .entering import PASSWORD_BACKEND, locked_out

INVITATION, RESET = "invitation", "password_reset"


@login_not_required
@require_safe
def invitation_link(request, token):
    return _kept(request, INVITATION, token, then="accounts:invitation")


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def invitation(request):
    """Name and password of somebody who was invited; signs them in."""
    try:
        found = invitations.opened_by(_token(request, INVITATION))
    except invitations.LinkIsVoid as refusal:
        return _void(request, refusal)
    if request.method == "POST" and not settings.PASSWORD_SIGN_IN:
        raise PermissionDenied
    form = AcceptForm(User(email=found.email), request.POST or None)
    if form.is_valid():
        person = invitations.accept(found, **form.cleaned_data)
        request.session.flush()
        login(request, person, backend=PASSWORD_BACKEND)
        messages.success(request, "Welcome to ConnHub. Make your first connection.")
        return redirect("connections:list")
    return render(request, "accounts/invitation.html", {"form": form, "invitation": found})


@login_not_required
@require_http_methods(["GET", "POST"])
def forgotten_password(request):
    """Says the same whether or not there is such an account."""
    if not settings.PASSWORD_SIGN_IN:
        raise Http404
    form = ForgotForm(request.POST or None)
    context = {"form": form, "has_mail": mail.is_set_up()}
    if form.is_valid():
        email = form.cleaned_data["email"]
        if not _may_ask(request, email):
            return locked_out(request)
        tasks.send_reset(email, request.client_ip, request.id)
        context["asked"] = email
    return render(request, "accounts/forgotten_password.html", context)


@login_not_required
@require_safe
def reset_link(request, token):
    return _kept(request, RESET, token, then="accounts:new_password")


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def new_password(request):
    if not settings.PASSWORD_SIGN_IN:
        raise Http404
    token = _token(request, RESET)
    try:
        person = resets.opened_by(token)
    except resets.LinkIsVoid as refusal:
        return _void(request, refusal)
    form = NewPasswordForm(person, request.POST or None)
    if form.is_valid():
        resets.reset(token, password=form.cleaned_data["password"])
        request.session.flush()
        messages.success(request, "Your password is changed. Sign in with it.")
        return redirect("accounts:sign_in")
    return render(request, "accounts/new_password.html", {"form": form, "person": person})


def _kept(request, name, token, *, then):
    """Out of the address, where it would be kept in the history and shown to others."""
    sealed = seal(token.encode(), Place("session", name, "token", 1))
    request.session[name] = base64.b64encode(sealed).decode()
    return redirect(then)


def _token(request, name) -> str:
    """The token of the link that was opened last; "" if none was, or its key is gone."""
    if name not in request.session:
        return ""
    sealed = base64.b64decode(request.session[name])
    try:
        return open_sealed(sealed, Place("session", name, "token", 1)).decode()
    except CantOpen:
        return ""


def _void(request, refusal):
    return render(request, "accounts/void_link.html", {"refusal": refusal}, status=410)


def _may_ask(request, email) -> bool:
    """Each letter asked for counts like a failed sign-in."""
    credentials = {"username": email}
    if not AxesProxyHandler.is_allowed(request, credentials):
        return False
    AxesProxyHandler.user_login_failed(__name__, credentials, request)
    request.axes_locked_out = False
    return True
