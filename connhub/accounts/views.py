from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.htmx import changed, wants_fragment

from . import environments as stages
from . import people, policies, setup
from .forms import EnvironmentForm, PasswordForm, ProfileForm, SetupForm, SignInForm
from .models import Environment, User

LOCKED_OUT = "Too many tries. Wait a quarter of an hour, then try again."


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def first_run(request):
    if not setup.is_open():
        return redirect("accounts:sign_in")
    form = SetupForm(request.POST or None)
    if form.is_valid():
        try:
            user = setup.create_first_super_admin(**form.cleaned_data)
        except setup.WrongSetupCode as error:
            form.add_error("code", str(error))
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            messages.success(request, "ConnHub is yours. Make the first connection.")
            return redirect("connections:list")
    return render(request, "accounts/setup.html", {"form": form})


@method_decorator([login_not_required, sensitive_post_parameters()], name="dispatch")
class SignIn(auth_views.LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request, *args, **kwargs):
        if setup.is_open():
            return redirect("accounts:setup")
        return super().dispatch(request, *args, **kwargs)


def locked_out(request, credentials=None, *args, **kwargs):
    """What somebody sees after ten failures; the same whether or not the account exists."""
    form = SignInForm(request)
    return render(
        request, "accounts/sign_in.html", {"form": form, "locked": LOCKED_OUT}, status=429
    )


@require_POST
def sign_out(request):
    return auth_views.LogoutView.as_view()(request)


@require_safe
def settings_page(request):
    context = {
        "people": User.objects.filter(is_active=True).count(),
        "environments": Environment.objects.all(),
    }
    return render(request, "accounts/settings.html", context)


@require_http_methods(["GET", "POST"])
def profile(request):
    form = ProfileForm(request.POST or None, instance=request.user)
    if form.is_valid():
        people.rename(request.user, to=form.cleaned_data["name"], by=request.user)
        return changed(request, "profile", then="accounts:profile", message="Saved.")
    return render(request, "accounts/profile.html", {"form": form})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request):
    form = PasswordForm(request, request.POST or None)
    if form.is_valid():
        people.change_password(request.user, to=form.cleaned_data["new_password1"], by=request.user)
        update_session_auth_hash(request, request.user)
        return changed(
            request,
            "profile",
            then="accounts:profile",
            message="Password changed. Other sessions have ended.",
        )
    return render(request, "accounts/password.html", {"form": form})


@require_safe
@vary_on_headers("HX-Request")
def environments(request):
    context = {
        "environments": Environment.objects.all(),
        "may_change": policies.may_administer_account(request.user),
    }
    template = "_environments.html" if wants_fragment(request) else "environments.html"
    return render(request, f"accounts/{template}", context)


@require_http_methods(["GET", "POST"])
def add_environment(request):
    policies.require_super_admin(request.user)
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
    policies.require_super_admin(request.user)
    return get_object_or_404(Environment, slug=slug)


def _environments_changed(request, message=""):
    return changed(request, "environment", then="accounts:environments", message=message)
