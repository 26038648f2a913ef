"""What a person types about a new connection, cleaned; making it is the operations' business."""

from typing import Any, Protocol

from django import forms

from connhub.accounts import environments
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import may
from connhub.services import oauth_apps
from connhub.services.models import AuthMethod

from .creating import Own
from .environment_form import FirstOwnForm
from .forms import ConnectionForm, LinkNameField
from .inside import Inside
from .models import Connection


class Question(Protocol):
    """What a room above this one asks about a new connection, and does with the answer."""

    def fields(self, by: User) -> dict[str, forms.Field]:
        """To be shown with the general details; none if there is nothing to choose."""

    def check(self, form: forms.Form) -> None:
        """Add the errors that its cleaned fields make together."""

    def settle(self, connection: Connection, cleaned: dict[str, Any], *, by: User) -> None:
        """Called in the transaction that makes the connection."""


# Added to in the `ready()` of the app that asks.
questions: list[Question] = []


class CreateForm(ConnectionForm):
    """A new connection: also its link name, and the environments that it serves."""

    link_name = LinkNameField()
    environment = forms.ChoiceField(
        label="Environments",
        widget=forms.RadioSelect,
        required=False,
        help_text="One set of credentials serves all environments unless you choose a single one.",
    )

    def __init__(
        self,
        *args: Any,
        method: AuthMethod,
        by: User,
        inside: Inside | None = None,
        **kwargs: Any,
    ) -> None:
        self.inside = inside
        may_use_all = may(by, "environment.connect_in")
        self.stages: list[Environment | None] = [environments.lowest()]
        if may_use_all:
            self.stages = [None, *Environment.objects.all()]
        super().__init__(*args, method=method, **kwargs)
        self._add_questions(by)
        self.owns = self._own_forms() if may_use_all else []
        offered = self.fields["environment"]
        assert isinstance(offered, forms.ChoiceField)
        offered.choices = [
            (stage.slug, stage.name) if stage else ("", "Same for all") for stage in self.stages
        ]
        if not may_use_all:
            offered.initial = offered.choices[0][0]
            offered.help_text = "Credentials for other environments take the role admin."

    def _add_questions(self, by: User) -> None:
        """Behind the general details, before what the connection is for flows."""
        asked = {name: each for question in questions for name, each in question.fields(by).items()}
        general = self.field_order[: self.field_order.index("access_mode")]
        self.fields |= asked
        self.order_fields([*general, *asked, *self.field_order])

    def _own_forms(self) -> list[FirstOwnForm]:
        typed = self.data if self.is_bound else None
        return [
            FirstOwnForm(typed, method=self.method, environment=stage)
            for stage in self.stages
            if stage
        ]

    @property
    def parts(self) -> list[FirstOwnForm]:
        """The forms inside this one that count: each login user's own is given elsewhere."""
        return [] if self.wants_login_user else [own for own in self.owns if own.is_on]

    def is_valid(self) -> bool:
        return all([super().is_valid(), *(own.is_valid() for own in self.parts)])

    def _add_app(self) -> None:
        super()._add_app()
        if 0 < len(self.unserved) < len(self.stages):
            for name in ("client_id", "client_secret"):
                self.fields[name].required = self.fields[name].widget.is_required = False
            names = ", ".join(str(stage or "all environments at once") for stage in self.unserved)
            self.fields["client_id"].help_text = f"No shared OAuth app serves {names}."

    def _unserved(self) -> list[Environment | None]:
        return oauth_apps.unserved(self.method, self.stages)

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "client_id" in self.fields and "environment" in self.cleaned_data:
            self._check_app()
        self._check_parts()
        for question in questions:
            question.check(self)
        if self.inside:
            self.inside.check(self)
        return self.cleaned_data

    def _check_parts(self) -> None:
        """The environment that everything is for can't have something else of its own."""
        main = self.cleaned_data.get("environment")
        for own in self.parts:
            if main == own.environment.slug:
                own.add_error("on", f"What is above is for {own.environment} alone.")

    def _check_app(self) -> None:
        """Where some environments have a shared app, the others still need one."""
        cleaned = self.cleaned_data
        is_needed = self.chosen_environment in self.unserved or cleaned.get("client_secret")
        if is_needed and not cleaned.get("client_id") and "client_id" not in self.errors:
            self.add_error("client_id", "Enter it: no shared OAuth app serves this environment.")
        needs_secret = self.method.config.get("token_auth") != "none"
        if (
            cleaned.get("client_id")
            and needs_secret
            and not cleaned.get("client_secret")
            and "client_secret" not in self.errors
        ):
            self.add_error("client_secret", "Enter the secret of this client id.")

    @property
    def chosen_environment(self) -> Environment | None:
        return Environment.objects.filter(slug=self.cleaned_data.get("environment") or "").first()

    @property
    def given_owns(self) -> list[Own]:
        """What the valid form says that environments have of their own."""
        return [own.given_own for own in self.parts]

    def settle(self, connection: Connection, *, by: User) -> None:
        """Do what the other rooms were told; called in the transaction that makes it."""
        for question in questions:
            question.settle(connection, self.cleaned_data, by=by)
