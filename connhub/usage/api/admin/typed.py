"""The pages' forms, filled in from JSON: the same rules, and the same words where one is broken."""

from collections.abc import Callable, Mapping
from typing import Any

from django.forms import BaseForm
from django.http import QueryDict

from connhub.forms import SecretField

from .refusals import InvalidFields

UNASKED = "This is not asked for here."


def query_of(values: Mapping[str, Any]) -> QueryDict:
    """As a browser would send it; what is None or false isn't sent."""
    query = QueryDict(mutable=True)
    for name, value in values.items():
        if isinstance(value, list | tuple | set):
            query.setlist(name, [str(each) for each in value])
        elif value is not None and value is not False:
            query[name] = "on" if value is True else str(value)
    return query


def shown_by(form: BaseForm) -> dict[str, Any]:
    """What an unsent form shows: what holds where nothing else is said. Secrets are never shown."""
    return {
        form.add_prefix(name): form[name].value()
        for name, field in form.fields.items()
        if not isinstance(field, SecretField)
    }


def same(name: str) -> str:
    return name


def require_valid(
    form: BaseForm, said: Mapping[str, Any] | None = None, named: Callable[[str], str] = same
) -> None:
    """Refuse what the form and its parts refuse, and what is `said` and they don't ask for.

    `named` gives the API's name of a form's field. Raises: InvalidFields.
    """
    is_valid = form.is_valid()
    errors: dict[str, list[str]] = {}
    parts = (form, *getattr(form, "parts", ()))
    for part in parts:
        for name, texts in part.errors.items():
            field = "" if name == "__all__" else named(part.add_prefix(name))
            errors.setdefault(field, []).extend(map(str, texts))
    asked = {part.add_prefix(name) for part in parts for name in part.fields}
    for name in (said or {}).keys() - asked:
        errors.setdefault(named(name), []).append(UNASKED)
    if errors or not is_valid:
        raise InvalidFields(errors)
