"""Asks for what an operation takes, or any other call: the path, parameters and body."""

import json
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any
from urllib.parse import quote

from django import forms
from django.http import QueryDict

from connhub.accounts.models import Environment
from connhub.forms import NO_CONTROLS
from connhub.services.models import Operation
from connhub.services.operations import FORM, JSON
from connhub.vault.keyring import digest

from .calling.paths import require_canonical, require_query
from .calling.refusals import BadPath
from .guide.sample import Sample
from .models import Connection
from .sending import SAFE, Asked
from .trying import Given

LONGEST_VALUE, LONGEST_BODY = 2000, 64 * 1024
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
AS_TEXT = ("json", "xml", "yaml", "graphql", "text/", FORM)


class TryForm(forms.Form):
    """One operation, filled in for one connection and environment."""

    connection = forms.ChoiceField()
    environment = forms.ChoiceField()

    def __init__(
        self,
        *args: Any,
        operation: Operation,
        connections: Iterable[Connection],
        environments: Iterable[Environment],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.operation = operation
        self.connections = {connection.link_name: connection for connection in connections}
        self.environments = {environment.slug: environment for environment in environments}
        for name, offered in (("connection", self.connections), ("environment", self.environments)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(key, str(thing)) for key, thing in offered.items()]
        for number, parameter in enumerate(operation.parameters):
            self.fields[f"p{number}"] = forms.CharField(
                label=parameter["name"],
                help_text=" · ".join(filter(None, (PLACES[parameter["in"]], parameter["about"]))),
                required=parameter["required"],
                max_length=LONGEST_VALUE,
                validators=[NO_CONTROLS],
                widget=forms.TextInput({"autocomplete": "off"}),
            )
        if self.is_sendable and operation.body_type:
            self.fields["body"] = forms.CharField(
                help_text=operation.body_type,
                required=operation.body_required,
                max_length=LONGEST_BODY,
                strip=False,
                widget=forms.Textarea({"rows": 6, "class": "mono", "spellcheck": "false"}),
            )

    @property
    def is_sendable(self) -> bool:
        """Whether its body, if it takes one, is something that people type."""
        body_type = self.operation.body_type
        return not body_type or any(part in body_type for part in AS_TEXT)

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name, parameter in self._parameters():
            if parameter["in"] == "path" and name in self.cleaned_data:
                try:
                    require_canonical(quote(self.cleaned_data[name], safe="").encode())
                except BadPath:
                    self.add_error(name, "This can't stand in an address. Leave out slashes.")
        return self.cleaned_data

    def clean_body(self) -> str:
        is_json = "json" in self.operation.body_type
        return _sendable(self.cleaned_data["body"], is_json=is_json)

    def _parameters(self) -> Iterable[tuple[str, dict[str, Any]]]:
        return ((f"p{number}", each) for number, each in enumerate(self.operation.parameters))

    @property
    def chosen(self) -> Connection:
        return self.connections[self.cleaned_data["connection"]]

    @property
    def chosen_environment(self) -> Environment:
        return self.environments[self.cleaned_data["environment"]]

    @property
    def given(self) -> Given:
        """What the valid form says; what was left blank is not sent."""
        values = [
            (each["in"], each["name"], self.cleaned_data[name])
            for name, each in self._parameters()
            if self.cleaned_data[name]
        ]
        return Given(
            path={name: value for place, name, value in values if place == "path"},
            query=tuple((name, value) for place, name, value in values if place == "query"),
            headers=tuple((name, value) for place, name, value in values if place == "header"),
            body=self.cleaned_data.get("body", ""),
        )


PLACES = {"path": "in the path", "query": "in the query", "header": "header"}


class CallForm(forms.Form):
    """One call over a connection as somebody types it; it begins as the guide's example."""

    method = forms.ChoiceField(choices=[(name, name) for name in (*SAFE, *UNSAFE)])
    path = forms.CharField(
        max_length=LONGEST_VALUE,
        validators=[NO_CONTROLS],
        help_text="With its query, encoded as in a URL.",
        widget=forms.TextInput({"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
    )
    body = forms.CharField(
        required=False,
        max_length=LONGEST_BODY,
        strip=False,
        widget=forms.Textarea({"rows": 4, "class": "mono", "spellcheck": "false"}),
    )

    def __init__(self, data: QueryDict | None, *, sample: Sample, environment: Environment) -> None:
        json_body = "" if sample.json is None else json.dumps(sample.json, indent=2)
        initial = {"method": sample.method, "path": sample.path, "body": json_body}
        super().__init__(data, initial=initial, auto_id="id_try_%s")
        self.environment = environment
        self.body_type = sample.body_type or JSON
        self.fields["body"].help_text = self.body_type

    def clean_path(self) -> str:
        path, _, query = self.cleaned_data["path"].partition("?")
        try:
            require_canonical(path.removeprefix("/").encode())
            require_query(query.encode())
        except BadPath as refusal:
            raise forms.ValidationError(refusal.text) from None
        return self.cleaned_data["path"]

    def clean_body(self) -> str:
        return _sendable(self.cleaned_data["body"], is_json=self.body_type == JSON)

    def clean(self) -> dict[str, Any]:
        super().clean()
        method = self.cleaned_data.get("method")
        if method in SAFE and self.cleaned_data.get("body"):
            self.add_error("body", f"{method} takes no body. Choose another method, or empty this.")
        return self.cleaned_data

    @property
    def asked(self) -> Asked:
        """What the valid form says."""
        path, _, query = self.cleaned_data["path"].removeprefix("/").partition("?")
        body = self.cleaned_data["body"]
        return Asked(self.cleaned_data["method"], path, query, (), body, self.body_type)

    @property
    def to_confirm(self) -> str:
        """What the person has to agree to again before it is sent; "" where that is nothing.

        Another call, body or environment is another thing to agree to.
        """
        if not self.asked.is_unsafe and self.environment.is_lowest:
            return ""
        return digest(json.dumps([self.environment.slug, *astuple(self.asked)]))


def _sendable(body: str, *, is_json: bool) -> str:
    body = body.replace("\r\n", "\n")
    if body and is_json:
        try:
            json.loads(body)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(f"This is no JSON: see line {error.lineno}.") from None
        except (RecursionError, ValueError):
            raise forms.ValidationError("This JSON can't be read.") from None
    return body
