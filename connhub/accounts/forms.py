from django import forms
from django.contrib.auth import forms as auth_forms
from django.contrib.auth import password_validation
from django.db.models import Q

from connhub.forms import NO_CONTROLS, LifetimeForm, SecretField, Switch

from . import notifications, proof, second_factor
from .environments import EnvironmentNameTaken
from .invitations import AlreadyHere, AlreadyInvited
from .models import Environment, Invitation, Role, User

WRONG_CODE = "That code is wrong, or was used already. Wait for the next one."


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


class LettersForm(forms.Form):
    """Which letters a person gets."""

    letters = forms.MultipleChoiceField(
        label="Write to me about",
        required=False,
        choices=notifications.KINDS,
        widget=forms.CheckboxSelectMultiple,
    )


class NewPasswordForm(forms.Form):
    """A new password for `person`, who may not exist yet."""

    password = SecretField(label="Password", max_length=128, help_text="At least 12 characters.")

    def __init__(self, person: User, *args, **kwargs):
        self.person = person
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        self.person.name = self.cleaned_data.get("name", self.person.name)
        password_validation.validate_password(password, self.person)
        return password


class AcceptForm(NewPasswordForm):
    """Who somebody is that was invited."""

    name = forms.CharField(
        label="Your name",
        max_length=80,
        validators=[NO_CONTROLS],
        widget=forms.TextInput({"autocomplete": "name", "autofocus": True}),
    )
    field_order = ["name", "password"]


class ForgotForm(forms.Form):
    """The address of an account, which may not be there."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "username", "autofocus": True}),
    )


class InviteForm(forms.Form):
    """Somebody to be invited, and what they will be."""

    email = forms.EmailField(label="E-mail", max_length=254)
    role = forms.ChoiceField(choices=Role, initial=Role.MEMBER)

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(AlreadyHere.text)
        if Invitation.objects.filter(email=email).exists():
            raise forms.ValidationError(AlreadyInvited.text)
        return email


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role)


class PeopleFilterForm(forms.Form):
    """What the list of people is narrowed by; what makes no sense counts as nothing."""

    q = forms.CharField(required=False, max_length=80)
    role = forms.ChoiceField(required=False, choices=[("", "Any role"), *Role.choices])
    state = forms.ChoiceField(
        required=False,
        choices=[("", "Any state"), ("active", "Active"), ("deactivated", "Deactivated")],
    )

    def over(self, people):
        self.is_valid()
        wanted = self.cleaned_data
        if text := wanted.get("q"):
            people = people.filter(Q(name__icontains=text) | Q(email__icontains=text))
        if role := wanted.get("role"):
            people = people.filter(role=role)
        if state := wanted.get("state"):
            people = people.filter(is_active=state == "active")
        return people


class SignInRulesForm(forms.Form):
    """What holds for the sign-in of everybody."""

    require_second_factor = forms.BooleanField(
        label="Require a second factor of everybody",
        required=False,
        widget=Switch,
        help_text="Whoever has none is signed out, and sets one up right after the next sign-in.",
    )


class PasswordForm(auth_forms.PasswordChangeForm):
    """The old password and a new one, twice; tries at the old one count like tries to sign in."""

    def __init__(self, request, *args, **kwargs):
        self.request = request
        super().__init__(request.user, *args, **kwargs)

    def clean_old_password(self) -> str:
        old = self.cleaned_data["old_password"]
        if not proof.is_password(self.request, old):
            raise forms.ValidationError("That is not your present password.")
        return old


class AdminTokenForm(LifetimeForm):
    """A new admin token: what for, for how long, and whether it only looks."""

    field_order = ["name", "days", "read_only"]
    name = forms.CharField(
        label="Token name",
        max_length=80,
        validators=[NO_CONTROLS],
        help_text="What presents it, so that you know it again: “deployment pipeline”.",
    )
    read_only = forms.BooleanField(
        label="Only looks",
        required=False,
        widget=Switch,
        help_text="A read-only token changes nothing: all but GET is refused.",
    )


class CodeField(forms.CharField):
    """A one-time code or a recovery code; never rendered back."""

    def __init__(self, **kwargs):
        attrs = {"class": "mono", "autocomplete": "one-time-code", "spellcheck": "false"}
        super().__init__(max_length=40, widget=forms.TextInput(attrs), **{"label": "Code"} | kwargs)

    def prepare_value(self, value: object) -> str:
        return ""


class CodeForm(forms.Form):
    """The second step of a sign-in; tries count like tries to sign in."""

    code = CodeField(help_text="From your authenticator app, or one of your recovery codes.")

    def __init__(self, request, person: User, *args, **kwargs):
        self.request, self.person = request, person
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = True

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        if not proof.is_code(self.request, self.person, code):
            raise forms.ValidationError(WRONG_CODE)
        return code


class ConfirmForm(forms.Form):
    """The first code of a new device."""

    code = CodeField(help_text="Six digits, as your app shows them now.")


class ProofForm(forms.Form):
    """The password of the person signed in, and a code if their second factor is on.

    Whoever signs in by single sign-on alone has done so within ten minutes, instead of a password;
    with `again`, once more than to come in.
    """

    password = SecretField(
        label="Your password",
        max_length=128,
        widget=forms.PasswordInput({"autocomplete": "current-password", "autofocus": True}),
    )
    code = CodeField(help_text="From your authenticator app, or one of your recovery codes.")

    def __init__(self, request, *args, again: bool = False, **kwargs):
        self.request, self.again = request, again
        super().__init__(*args, **kwargs)
        self.by_provider = not proof.has_password(request.user)
        if self.by_provider:
            del self.fields["password"]
        if not second_factor.is_on(request.user):
            del self.fields["code"]

    def clean(self):
        super().clean()
        cleaned = self.cleaned_data
        if self.errors:
            return cleaned
        # A wrong password uses no code up.
        if self.by_provider and not proof.is_recent(self.request, again=self.again):
            self.add_error(None, "Sign in once more with single sign-on first.")
        elif "password" in cleaned and not proof.is_password(self.request, cleaned["password"]):
            self.add_error("password", "That is not your password.")
        elif "code" in cleaned and not proof.is_code(
            self.request, self.request.user, cleaned["code"]
        ):
            self.add_error("code", WRONG_CODE)
        return cleaned


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
