from django import forms
from django.contrib.auth import authenticate, password_validation
from django.contrib.auth import forms as auth_forms

from connhub.forms import NO_CONTROLS, SecretField

from .environments import EnvironmentNameTaken
from .models import Environment, User


class SetupForm(forms.Form):
    """The first super admin, with the code printed at start."""

    code = forms.CharField(
        label="Setup code",
        max_length=40,
        help_text="Printed where ConnHub was started.",
        widget=forms.TextInput(
            {"class": "mono", "autocomplete": "one-time-code", "autofocus": True}
        ),
    )
    name = forms.CharField(
        label="Your name", max_length=80, widget=forms.TextInput({"autocomplete": "name"})
    )
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "username"})
    )
    password = SecretField(label="Password", max_length=128, help_text="At least 12 characters.")

    def clean(self):
        super().clean()
        cleaned = self.cleaned_data
        if password := cleaned.get("password"):
            person = User(email=cleaned.get("email", ""), name=cleaned.get("name", ""))
            try:
                password_validation.validate_password(password, person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned


class SignInForm(auth_forms.AuthenticationForm):
    """E-mail and password; what is wrong with them is never said."""

    username = auth_forms.UsernameField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {
        "invalid_login": "That e-mail and password don't go together. Check both and try again.",
        "inactive": "That e-mail and password don't go together. Check both and try again.",
    }


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["name"]
        labels = {"name": "Your name"}


class PasswordForm(auth_forms.PasswordChangeForm):
    """The old password and a new one, twice; tries at the old one count like tries to sign in."""

    def __init__(self, request, *args, **kwargs):
        self.request = request
        super().__init__(request.user, *args, **kwargs)

    def clean_old_password(self) -> str:
        old = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.email, password=old) is None:
            raise forms.ValidationError("That is not your present password.")
        return old


class EnvironmentForm(forms.Form):
    """An environment's name, and the few letters that stand for it in lists."""

    name = forms.CharField(max_length=40, validators=[NO_CONTROLS])
    short = forms.CharField(
        label="Short form",
        max_length=6,
        validators=[NO_CONTROLS],
        help_text="Up to six letters for lists, such as stg.",
    )

    def __init__(self, *args, environment: Environment | None = None, **kwargs):
        self.environment = environment
        super().__init__(*args, **kwargs)

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        namesake = Environment.objects.filter(name=name).first()
        if namesake and namesake != self.environment:
            raise forms.ValidationError(EnvironmentNameTaken.text)
        return name
