"""Two-slot rotation of a secret, all of it on one page."""

from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from connhub.accounts.permissions import require
from connhub.htmx import changed

from .. import rotation, testing
from ..connecting import ConnectFailed
from ..rotation_forms import GraceForm, NextValueForm
from ..slots import Phase
from .changing import administered, environment_of


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def rotate(request, link_name):
    """Give, test and switch to the next value; roll back to the old one, or destroy either."""
    connection = administered(request, link_name, to="rotate")
    environment = environment_of(request, connection)
    require(request.user, "environment.connect_in", environment)
    slot = rotation.going_on(connection, environment)
    act = ACTIONS.get(request.POST.get("do", ""))
    if request.method == "POST" and act:
        return act(request, connection, environment)
    if slot and request.method == "GET":
        return _show(request, connection, environment)
    return _give(request, connection, environment)


def _give(request, connection, environment):
    form = NextValueForm(
        request.POST if request.method == "POST" else None,
        connection=connection,
        environment=environment,
    )
    if not (form.is_bound and form.is_valid()):
        context = {
            "connection": connection, "environment": environment, "form": form,
            "may_rotate": rotation.may_rotate(connection),
            "stored": connection.credentials.own().live().filter(environment=environment).first(),
        }  # fmt: skip
        return render(request, "connections/rotate.html", context)
    rotation.give(
        connection,
        form.secrets,
        by=request.user,
        environment=environment,
        ends_at=form.ends_at,
    )
    return _show(request, connection, environment)


def _test(request, connection, environment):
    report = rotation.test(connection, by=request.user, environment=environment)
    return _show(request, connection, environment, report=report)


def _switch(request, connection, environment):
    form = GraceForm(request.POST)
    failed = ""
    if form.is_valid():
        try:
            rotation.switch(connection, by=request.user, environment=environment, grace=form.grace)
        except ConnectFailed as failure:
            failed = failure.text
        else:
            said = f"{connection} uses the new value. The old one is kept {form.grace_in_words}."
            return changed(request, "connection", then=connection, message=said)
    return _show(request, connection, environment, form=form, failed=failed)


def _roll_back(request, connection, environment):
    rotation.roll_back(connection, by=request.user, environment=environment)
    said = f"{connection} uses the old value again."
    return changed(request, "connection", then=connection, message=said)


def _discard(request, connection, environment):
    rotation.discard(connection, by=request.user, environment=environment)
    return changed(request, "connection", then=connection, message="Destroyed.")


ACTIONS = {"test": _test, "switch": _switch, "roll-back": _roll_back, "discard": _discard}


def _show(request, connection, environment, *, form=None, report=None, failed=""):
    """What the second slot holds, and what can be done with it."""
    slot = rotation.going_on(connection, environment)
    if slot is None:
        return _give(request, connection, environment)
    context = {
        "connection": connection,
        "environment": environment,
        "slot": slot,
        "form": form or GraceForm(),
        "report": report or slot.test_report,
        "has_test": testing.has_test(connection.service),
        "failed": failed,
    }
    template = "rotate_next" if slot.phase == Phase.NEXT else "rotate_old"
    response = render(request, f"connections/{template}.html", context)
    if request.method == "POST" and request.htmx:
        response["HX-Trigger"] = "connection-changed"
    return response
