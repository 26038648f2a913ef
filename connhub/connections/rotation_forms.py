"""What a person types to rotate a secret: its next value, and how long the old one is kept."""

from datetime import timedelta

from django import forms

from .lifecycle_forms import ReconnectForm
from .rotation import DEFAULT_GRACE, GRACES

WORDS = {1: "1 hour", 24: "24 hours", 168: "7 days"}


def _hours(grace: timedelta) -> int:
    return grace // timedelta(hours=1)


class NextValueForm(ReconnectForm):
    """The next value of every secret; nothing else changes."""


class GraceForm(forms.Form):
    """How long the old value is kept after the switch."""

    hours = forms.TypedChoiceField(
        label="Keep the old value for",
        coerce=int,
        choices=[(_hours(grace), WORDS[_hours(grace)]) for grace in GRACES],
        initial=_hours(DEFAULT_GRACE),
        widget=forms.RadioSelect,
        help_text="Until then you can roll back. After that it is destroyed.",
    )

    @property
    def grace(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["hours"])

    @property
    def grace_in_words(self) -> str:
        return f"for {WORDS[self.cleaned_data['hours']]}"
