"""The expiry page's filters, all optional; one that makes no sense is passed over."""

from collections.abc import Iterable
from datetime import date
from functools import cached_property
from typing import Any

from django import forms
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.services.models import Service

from . import expiry

WITHIN = (7, 14, 30, 90)
FIRST_YEAR, LAST_YEAR = 2000, 2199


class ExpiryForm(forms.Form):
    kind = forms.ChoiceField(required=False)
    service = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(required=False)
    within = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, choices=[(days, days) for days in WITHIN]
    )
    day = forms.DateField(required=False, input_formats=["%Y-%m-%d"])
    month = forms.DateField(required=False, input_formats=["%Y-%m"])
    view = forms.ChoiceField(required=False, choices=[("calendar", "Calendar")])

    def __init__(
        self, *args: Any, services: Iterable[Service], environments: Iterable[Environment]
    ) -> None:
        super().__init__(*args)
        offered = {
            "kind": [(source.kind, source.label) for source in expiry.sources],
            "service": [(service.slug, service.name) for service in services],
            "environment": [(stage.slug, stage.name) for stage in environments],
        }
        for name, choices in offered.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices

    def clean_day(self) -> date | None:
        return _in_range(self.cleaned_data["day"])

    def clean_month(self) -> date:
        return _in_range(self.cleaned_data["month"]) or timezone.localdate().replace(day=1)

    @cached_property
    def wanted(self) -> dict[str, Any]:
        self.is_valid()
        return {"month": timezone.localdate().replace(day=1)} | self.cleaned_data


def _in_range(day: date | None) -> date | None:
    return day if day and FIRST_YEAR <= day.year <= LAST_YEAR else None
