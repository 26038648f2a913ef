"""The doors: setting up, signing in, signing out."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from .. import half_way, second_factor, setup
from ..forms import CodeForm, SetupForm, SignInForm

PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"
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
            login(request, user, backend=PASSWORD_BACKEND)
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

    def post(self, request, *args, **kwargs):
        if not settings.PASSWORD_SIGN_IN:
            raise PermissionDenied
        return super().post(request, *args, **kwargs)

    def form_valid(self, form):
        person = form.get_user()
        if not second_factor.is_on(person):
            return super().form_valid(form)
        half_way.enter(self.request, person, then=self.get_success_url())
        return redirect("accounts:sign_in_code")


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_in_code(request):
    """The second page of a sign-in, for those whose second factor is on."""
    person = half_way.person(request)
    if person is None:
        return redirect("accounts:sign_in")
    form = CodeForm(request, person, request.POST or None)
    if form.is_valid():
        then = half_way.leave(request)
        login(request, person, backend=PASSWORD_BACKEND)
        return redirect(then)
    return render(request, "accounts/sign_in_code.html", {"form": form})


def locked_out(request, credentials=None, *args, **kwargs):
    """What somebody sees after ten failures; the same whether or not the account exists."""
    form = SignInForm(request)
    context = {"form": form, "locked": LOCKED_OUT}
    response = render(request, "accounts/sign_in.html", context, status=429)
    response["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME * 3600))
    return response


@require_POST
def sign_out(request):
    return auth_views.LogoutView.as_view()(request)
