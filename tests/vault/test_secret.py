"""SECURITY 1.7: a value in clear that goes nowhere by accident."""

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import sys
import traceback

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.template import Context, Template

from connhub.logs import JsonFormatter
from connhub.vault.secret import REDACTED, Secret
from tests.conftest import CANARY


@pytest.fixture
def secret():
    return Secret(CANARY)


@dataclasses.dataclass
class Holder:
    secret: Secret


def test_only_reveal_gives_the_value_out(secret):
    assert secret.reveal() == CANARY


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        "{}".format,
        "{!r:>40}".format,
        lambda secret: "%s" % secret,  # noqa: UP031
        lambda secret: f"{secret}",
        lambda secret: f"{secret:>200}",
        lambda secret: str([secret]),
        lambda secret: str({"key": secret}),
        lambda secret: repr(Holder(secret)),
        pprint.pformat,
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: Template("{{ secret }}").render(Context({"secret": secret})),
    ],
)
def test_it_is_never_shown(secret, show):
    shown = show(secret)

    assert CANARY not in shown
    assert CANARY[:8] not in shown
    assert "secret" in shown


def test_its_length_is_not_shown_either():
    assert str(Secret("a")) == str(Secret("a" * 500)) == REDACTED


@pytest.mark.parametrize(
    "take",
    [
        json.dumps,
        lambda secret: json.dumps({"key": secret}, cls=DjangoJSONEncoder),
        pickle.dumps,
        lambda secret: pickle.dumps(secret, protocol=0),
        copy.copy,
        copy.deepcopy,
        lambda secret: dataclasses.asdict(Holder(secret)),
        list,
        lambda secret: [*secret],
        lambda secret: CANARY in secret,
        lambda secret: secret + "",
        lambda secret: "".join([secret]),
        lambda secret: len(secret),
        vars,
        lambda secret: secret < Secret("x"),
    ],
)
def test_it_is_neither_serialised_nor_copied_nor_taken_apart(secret, take):
    with pytest.raises(TypeError) as refused:
        take(secret)

    assert CANARY not in str(refused.value)


def test_two_secrets_of_one_value_do_not_tell_that_they_are_the_same():
    assert Secret(CANARY) != Secret(CANARY)
    assert hash(Secret(CANARY)) != hash(CANARY)


def test_a_traceback_with_local_variables_does_not_show_it(secret):
    try:
        raise ValueError(secret)
    except ValueError:
        told = traceback.TracebackException(*sys.exc_info(), capture_locals=True)

    assert CANARY not in "".join(told.format())


def test_a_log_line_does_not_show_it(secret):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    log = logging.Logger("test")
    log.addHandler(handler)

    log.warning("sealed %s", secret, extra={"given": secret})
    log.warning(secret)

    assert stream.getvalue().count(REDACTED.encode("unicode_escape").decode()) == 3
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "truth"), [("", False), ("x", True), ({}, False), ({"a": 1}, True)]
)
def test_whether_there_is_one_may_be_asked(value, truth):
    assert bool(Secret(value)) == truth
