"""The fields that definitions of services are typed into."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.validators import RegexValidator

from connhub.egress import guard
from connhub.egress.allowed import literal
from connhub.forms import NO_CONTROLS

from .addresses import PLACEHOLDER

WIRE_NAME = RegexValidator(
    r"\A[A-Za-z0-9_.\[\]-]+\Z", "Use letters, digits, hyphens, dots and underscores."
)
# Set by ConnHub or the connection itself; a credential there would break every call.
NOT_A_KEY = re.compile(
    r"host|cookie|connection|content-length|transfer-encoding|te|trailer|upgrade|proxy-.*", re.I
)
BAD_BRACES = "Write what differs per connection as {name}, in lower-case letters."
FORBIDDEN = "ConnHub may not connect to this address."
WHOLE_HOST = "Only a part of the host name may differ per connection, not what it ends with."
NOT_A_HEADER = re.compile(rf"authorization|{NOT_A_KEY.pattern}", re.I)
MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}
PREFIX_RULE = RegexValidator(
    r"\A(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+\Z",
    "Start each path with a slash, without one at its end, as it stands in calls.",
)
HOST_RULE = RegexValidator(
    r"\A(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*\Z",
    "Write whole host names such as api.example.com, or *.example.com for all below one.",
)
SCOPE = re.compile(r"[\x21-\x7e]{1,200}")
PARAMETER = re.compile(r"[A-Za-z0-9_.-]{1,60}")
MOST_SCOPES, MOST_PARAMETERS, MOST_LINES = 200, 20, 50


class AddressField(forms.CharField):
    """An https URL (http where the operator allows it) that may have {placeholders}.

    `known_hosts` are hosts, of a service that is edited or copied, that may differ as a whole.
    """

    known_hosts: frozenset[str] = frozenset()

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.URLInput(MONO | {"placeholder": "https://"}))
        super().__init__(max_length=300, validators=[NO_CONTROLS], **kwargs)

    def clean(self, value: Any) -> str:
        url = super().clean(value)
        if url:
            check_address(url, self.known_hosts)
        return url


def host_in(url: str) -> str:
    """The host of an address, and its port, with placeholders as they are."""
    return url.partition("//")[2].partition("/")[0]


def check_address(url: str, known_hosts: frozenset[str] = frozenset()) -> None:
    """Raises: ValidationError, with a plain sentence."""
    filled = PLACEHOLDER.sub("x", url)
    if "{" in filled or "}" in filled:
        raise forms.ValidationError(BAD_BRACES)
    if "?" in filled or "#" in filled:
        raise forms.ValidationError("Leave out what begins with ? or #.")
    try:
        target = guard.parse_url(filled, ports=guard.ANY_PORT)
        if literal(target.host):
            guard.check(target.host, target.port, target.host)
    except guard.BadAddress as error:
        raise forms.ValidationError(str(error)) from None
    except guard.Unreachable:
        raise forms.ValidationError(FORBIDDEN) from None
    host = host_in(url)
    if host not in known_hosts and PLACEHOLDER.search(".".join(host.split(".")[-2:])):
        raise forms.ValidationError(WHOLE_HOST)


def line(label: str, max_length: int = 80, **kwargs: Any) -> forms.CharField:
    """A field for one line of text."""
    validators = [NO_CONTROLS, *kwargs.pop("validators", [])]
    return forms.CharField(label=label, max_length=max_length, validators=validators, **kwargs)


class ScopesField(forms.CharField):
    """A scope on each line and, after a space, what it allows; a * before it turns it on at first."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(MONO | {"rows": 4, "placeholder": "*read Read records"})
        super().__init__(max_length=20000, required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> list[dict[str, Any]]:
        scopes = [_scope(text) for text in _lines(super().clean(value), MOST_SCOPES)]
        names = [scope["name"] for scope in scopes]
        if len(set(names)) < len(names):
            raise forms.ValidationError("A scope is there twice.")
        return scopes


def _scope(text: str) -> dict[str, Any]:
    name, _, label = text.partition(" ")
    is_default = name.startswith("*") and len(name) > 1
    name = name[is_default:]
    if not SCOPE.fullmatch(name) or len(label) > 200:
        raise forms.ValidationError(
            "Write one scope on each line, then a space and what it allows."
        )
    return {"name": name, "label": label.strip(), "default": is_default}


class ParametersField(forms.CharField):
    """`name=value` on each line; names that ConnHub sets itself are refused."""

    def __init__(self, *, own: set[str], **kwargs: Any) -> None:
        self.own = own
        widget = forms.Textarea(MONO | {"rows": 2, "placeholder": "name=value"})
        super().__init__(max_length=4000, required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> dict[str, str]:
        found = {}
        for text in _lines(super().clean(value), MOST_PARAMETERS):
            name, sign, given = text.partition("=")
            if not sign or not PARAMETER.fullmatch(name.strip()):
                raise forms.ValidationError("Write name=value, one on each line.")
            if name.strip() in self.own:
                raise forms.ValidationError(f"{name.strip()} is set by ConnHub.")
            found[name.strip()] = given.strip()
        return found


class HeadersField(ParametersField):
    """Headers with a fixed value each; those that carry a credential or belong to ConnHub are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(own=set(), **kwargs)

    def clean(self, value: Any) -> dict[str, str]:
        headers = super().clean(value)
        for name, text in headers.items():
            if NOT_A_HEADER.fullmatch(name):
                raise forms.ValidationError(f"{name} is set by ConnHub.")
            if not text.isascii():
                raise forms.ValidationError(f"Use plain letters, digits and signs in {name}.")
        if len({name.lower() for name in headers}) < len(headers):
            raise forms.ValidationError("A header is there twice.")
        return headers


class LinesField(forms.CharField):
    """One thing on each line, each of the rule's form."""

    def __init__(self, *, rule: RegexValidator, placeholder: str, **kwargs: Any) -> None:
        self.rule = rule
        widget = forms.Textarea(MONO | {"rows": 2, "placeholder": placeholder})
        super().__init__(max_length=4000, required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> list[str]:
        lines = list(dict.fromkeys(_lines(super().clean(value), MOST_LINES)))
        for text in lines:
            self.rule(text)
        return lines

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


def in_lines(pairs: Mapping[str, str]) -> str:
    """What a `ParametersField` reads back as these pairs."""
    return "\n".join(f"{name}={text}" for name, text in pairs.items())


def _lines(text: str, most: int) -> list[str]:
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    if len(lines) > most:
        raise forms.ValidationError(f"At most {most} lines can be used here.")
    if any(not each.isprintable() for each in lines):
        raise forms.ValidationError("Use ordinary characters.")
    return lines
