"""The settings page, and the account's environments."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.htmx import changed, sent_to, wants_fragment

from .. import account, second_factor
from .. import environments as stages
from ..forms import EnvironmentForm, SignInRulesForm
from ..models import Environment, User
from ..permissions import may, require


@require_safe
def settings_page(request):
    context = {
        "people": User.objects.filter(is_active=True).count(),
        "environments": Environment.objects.all(),
    }
    return render(request, "accounts/settings.html", context)


@require_http_methods(["GET", "POST"])
def sign_in_rules(request):
    require(request.user, "account.administer")
    initial = {"require_second_factor": second_factor.is_required()}
    form = SignInRulesForm(request.POST or None, initial=initial)
    if form.is_valid():
        account.require_second_factor(form.cleaned_data["require_second_factor"], by=request.user)
        return sent_to(request, "accounts:settings", message="Saved.")
    return render(request, "accounts/sign_in_rules.html", {"form": form})


@require_safe
@vary_on_headers("HX-Request")
def environments(request):
    context = {
        "environments": Environment.objects.all(),
        "may_change": may(request.user, "environment.change"),
    }
    template = "_environments.html" if wants_fragment(request) else "environments.html"
    return render(request, f"accounts/{template}", context)


@require_http_methods(["GET", "POST"])
def add_environment(request):
    require(request.user, "environment.change")
    form = EnvironmentForm(request.POST or None)
    if form.is_valid():
        added = stages.add(**form.cleaned_data, by=request.user)
        return _environments_changed(request, f"{added} is the highest environment now.")
    return render(request, "accounts/environment.html", {"form": form})


@require_http_methods(["GET", "POST"])
def rename_environment(request, slug):
    environment = _environment(request, slug)
    initial = {"name": environment.name, "short": environment.short}
    form = EnvironmentForm(request.POST or None, initial=initial, environment=environment)
    if form.is_valid():
        wanted = form.cleaned_data
        stages.rename(environment, to=wanted["name"], short=wanted["short"], by=request.user)
        return _environments_changed(request, "Renamed.")
    return render(request, "accounts/environment.html", {"form": form, "environment": environment})


@require_POST
def move_environment(request, slug):
    stages.move(_environment(request, slug), up="up" in request.POST, by=request.user)
    return _environments_changed(request)


@require_http_methods(["GET", "POST"])
def remove_environment(request, slug):
    environment = _environment(request, slug)
    if request.method == "POST":
        stages.remove(environment, by=request.user)
        return _environments_changed(request, f"{environment} is removed.")
    return render(request, "accounts/remove_environment.html", {"environment": environment})


def _environment(request, slug):
    require(request.user, "environment.change")
    return get_object_or_404(Environment, slug=slug)


def _environments_changed(request, message=""):
    return changed(request, "environment", then="accounts:environments", message=message)
