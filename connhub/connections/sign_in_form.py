from typing import Any

from django import forms

from connhub.services.models import AuthMethod

from .auth import METHODS
from .fields import form_field


class SignInForm(forms.Form):
    """What a login user alone knows; nothing of it is shown again."""

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for spec in METHODS[method.kind].personal_fields(method):
            self.fields[spec.name] = form_field(spec)

    @property
    def values(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.cleaned_data.items() if value}
