"""What a person types of a connection's credential: its parameters and secrets, checked together."""

from collections.abc import Callable, Iterable, Set
from datetime import datetime
from typing import Any

from django import forms

from connhub.egress import guard
from connhub.services.addresses import PLACEHOLDER, Unfilled, fill, fill_config
from connhub.services.models import AuthMethod

from .auth import METHODS
from .auth.base import Field
from .fields import end_date_field, form_field, parameters_of

PARAMETER, SECRET = "p_", "s_"


def prefix_of(spec: Field) -> str:
    return SECRET if spec.secret else PARAMETER


class CredentialForm(forms.Form):
    """The service's parameters and what the auth method asks for."""

    stored_at: datetime | None = None  # since when there are secrets
    ends_at: datetime | None = None  # when those are said to end
    unasked: Set[str] = frozenset()  # fields whose values don't count

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        self.method, self.service, self.kind = method, method.service, METHODS[method.kind]
        super().__init__(*args, **kwargs)
        self.asked: list[Field] = [*parameters_of(method), *self._own_fields()]
        for spec in self.asked:
            self.fields[prefix_of(spec) + spec.name] = form_field(spec, self.stored_at)
        self.fields |= end_date_field(self.asked, self.ends_at)

    def _own_fields(self) -> Iterable[Field]:
        return self.kind.fields(self.method)

    def clean(self) -> dict[str, Any]:
        super().clean()
        self._check_addresses()
        if not self.errors and "test" not in self.data:  # a test tells it, and more
            self._check_values()
        return self.cleaned_data

    def _check_values(self) -> None:
        """What was typed must be of use to the method; secrets that are kept are not looked at."""
        fault = self.kind.fault(self._values(PARAMETER) | self._values(SECRET), self.method)
        if not fault:
            return
        name, text = fault
        if PARAMETER + name in self.fields:
            self.add_error(PARAMETER + name, text)
        elif not self.stored_at:
            self.add_error(SECRET + name, text)

    def _check_addresses(self) -> None:
        """What was typed must make addresses that ConnHub can call."""
        parameters = self._values(PARAMETER)
        if "p_host" in self.fields and parameters.get("host"):
            self._refuse_bad("p_host", lambda: guard.parse_host(parameters["host"]))
        asked = parameters_of(self.method)
        if asked and not self.errors:
            self._refuse_bad(PARAMETER + asked[0].name, lambda: self._fill_addresses(parameters))

    def _fill_addresses(self, parameters: dict[str, str]) -> None:
        fill_config(self.method.config, parameters)
        base_url = self.method.config.get("base_url") or self.service.base_url
        if PLACEHOLDER.search(base_url):
            guard.parse_url(fill(base_url, parameters), ports=guard.ANY_PORT)

    def _refuse_bad(self, name: str, check: Callable[[], object]) -> None:
        try:
            check()
        except (guard.BadAddress, Unfilled) as error:
            self.add_error(name, str(error))

    def _values(self, prefix: str) -> dict[str, str]:
        return {
            name.removeprefix(prefix): str(value)
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix) and value not in (None, "") and name not in self.unasked
        }
