"""The pages of a person's own second factor."""

from django import forms
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from connhub.htmx import sent_to

from .. import second_factor as operations
from ..forms import ConfirmForm, ProofForm
from ..reauthentication import recently_authenticated
from ..sessions import MUST_SET_UP


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second_factor(request):
    """What it is for; switched on from here, after the password."""
    if operations.is_on(request.user):
        left = request.user.recovery_codes.count()
        context = {"factor": request.user.second_factor, "left": left}
        return render(request, "accounts/second_factor.html", context)
    form = ProofForm(request, request.POST or None)
    if form.is_valid():
        operations.begin(request.user)
        return redirect("accounts:confirm_second_factor")
    return _page(request, "accounts/second_factor_on.html", {"form": form})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def confirm_second_factor(request):
    """Shows the seed until a code of it is confirmed, then the recovery codes this once."""
    factor = operations.begun(request.user)
    if factor is None:
        return redirect("accounts:second_factor")
    form = ConfirmForm(request.POST or None)
    if form.is_valid():
        try:
            codes = operations.confirm(request.user, form.cleaned_data["code"])
        except operations.WrongCode:
            form.add_error("code", "That is not what your app shows now. Check its clock.")
        else:
            request.session.pop(MUST_SET_UP, None)
            return render(request, "accounts/recovery_codes.html", {"codes": codes, "is_new": True})
    context = {
        "form": form,
        "seed": operations.seed_of(factor),
        "picture": operations.picture_of(factor),
    }
    return _page(request, "accounts/second_factor_confirm.html", context)


@require_http_methods(["GET", "POST"])
@recently_authenticated
def recovery_codes(request):
    if not operations.is_on(request.user):
        return redirect("accounts:second_factor")
    codes = operations.renew_recovery_codes(request.user) if request.method == "POST" else None
    context = {"codes": codes, "form": forms.Form()}
    template = "recovery_codes.html" if codes else "renew_codes.html"
    return render(request, f"accounts/{template}", context)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second_factor_off(request):
    if not operations.is_on(request.user):
        return redirect("accounts:second_factor")
    form = ProofForm(request, request.POST or None)
    if form.is_valid():
        operations.switch_off(request.user)
        return sent_to(request, "accounts:profile", message="Your second factor is off.")
    return render(request, "accounts/second_factor_off.html", {"form": form})


def _page(request, template, context):
    """Bare, with no way to other pages, for somebody who has to set it up first."""
    must = request.session.get(MUST_SET_UP, False)
    shell = "ui/bare.html" if must else "page.html"
    return render(request, template, context | {"shell": shell, "must": must})
