"""Every default service can be the model of a custom one."""

import pytest
from django.forms import ChoiceField

from connhub.services import custom
from connhub.services.forms import details_of
from connhub.services.loader import load, read
from connhub.services.models import Service
from connhub.services.views import FORMS

pytestmark = pytest.mark.django_db


def test_each_default_service_fits_the_forms_and_comes_out_as_it_went_in(root):
    load(read(), by=root)
    wrong = {}

    for service in Service.objects.prefetch_related("auth_methods"):
        stored = custom.definition_of(service)
        for method in stored.methods:
            if method.kind in FORMS:
                problem = changed_by_form(stored, method)
                if problem:
                    wrong[f"{service.slug} {method.label}"] = problem

    assert wrong == {}


def changed_by_form(stored, method):
    """What is wrong with the form of a service like this one, or what it would change."""
    kind = FORMS[method.kind]
    one = custom.Definition(**vars(stored) | {"methods": [method]})
    initial = details_of(one) | kind.initial_of(method) | {"slug": "a-new-one"}
    rows = {"rows": kind.rows_in(initial)} if hasattr(kind, "rows_in") else {}
    form = kind(None, initial=initial, base=one, **rows)
    first = {n: f.choices[0][0] for n, f in form.fields.items() if isinstance(f, ChoiceField)}
    shown = {name: form[name].value() for name in form.fields}
    typed = first | {name: value for name, value in shown.items() if value not in (None, False)}
    form = kind(typed, base=one, **rows)
    if not form.is_valid():
        return dict(form.errors)
    before, after = custom.sending(one), custom.sending(form.definition)
    return [name for name in before if not covered(before[name], after[name])]


def covered(before, after) -> bool:
    """Whether all that was said is said again; a default may be spelt out now."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(name in after and covered(before[name], after[name]) for name in before)
    if isinstance(before, list | tuple) and len(before) == len(after):
        return all(covered(one, other) for one, other in zip(before, after, strict=True))
    return before == after
