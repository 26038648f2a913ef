"""Whatever is typed into a definition's form: it never fails, and what it takes can be called."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhub.egress import guard
from connhub.egress.allowed import literal
from connhub.services import custom
from connhub.services.addresses import PLACEHOLDER
from connhub.services.preview import preview
from connhub.services.views import FORMS
from tests.services.test_views import DETAILS, TYPED

pytestmark = pytest.mark.django_db

HOSTS = st.sampled_from(
    ["a.example", "127.0.0.1", "0x7f.1", "2130706433", "[::1]", "10.0.0.1", "8.8.8.8", "a.example:99999", "u:p@a.example",
     "a.example\\@b", "a%2eb", "{x}.a.example", "{x}", "a.{x}", "é.example", "a b", "", "a..b",
     "{password}.a.example", "１２７.0.0.1", "a.example#", "a.example?x", "[fe80::1%eth0]"]
)  # fmt: skip
SCHEMES = st.sampled_from(["https://", "http://", "ftp://", "//", "HTTPS://", "https:/", "file://"])
PATHS = st.sampled_from(["", "/", "/v1", "/{x}", "/../x", "/%2e%2e", "/a b", "/\x00", "/{", "/é"])
ADDRESSES = st.builds("{}{}{}".format, SCHEMES, HOSTS, PATHS) | st.text(max_size=40)
LINES = st.lists(
    st.sampled_from(["a=b", "a={x}", "=b", "a", "{x}=1", "a=\x00", "state=1", "*read Read", "read"])
    | st.text(max_size=20),
    max_size=4,
).map("\n".join)
WORDS = st.sampled_from(["", "1", "-1", "on", "header", "{x}", "host", "space", "é", "\x00", "²"])
ANYTHING = st.text(max_size=40) | WORDS | LINES | ADDRESSES


def typed(kind):
    """Right values, of which some are replaced by anything."""
    right = DETAILS | TYPED[kind]
    names = sorted({*right, *FORMS[kind]().fields})
    changed = st.dictionaries(st.sampled_from(names), ANYTHING, max_size=4)
    addressed = [name for name in names if name.endswith("_url")]
    moved = st.dictionaries(st.sampled_from(addressed), ADDRESSES, max_size=2)
    return st.builds(lambda some, more: right | some | more, changed, moved)


@pytest.mark.parametrize("kind", FORMS)
def test_form_takes_anything_and_accepts_no_address_that_the_guard_refuses(db, kind):
    accepted = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(typed(kind))
    def fill_in(values):
        form = FORMS[kind](values)
        preview(form)
        if not form.is_valid():
            return
        definition = form.definition
        service, method = custom.unsaved(definition, slug=form.link_name)
        json.dumps([method.config, method.scopes, service.parameters, service.test])
        for url in custom.addresses(definition):
            target = guard.parse_url(PLACEHOLDER.sub("x", url), ports=guard.ANY_PORT)
            if literal(target.host):
                guard.check(target.host, target.port, target.host)
        accepted.append(definition)

    fill_in()

    assert accepted


@pytest.mark.parametrize("kind", FORMS)
def test_secrets_names_stand_in_no_address(db, kind):
    for name in [n for n in FORMS[kind]().fields if n.endswith("_url") and n != "docs_url"]:
        form = FORMS[kind](DETAILS | TYPED[kind] | {name: "https://{password}.acme.example"})

        assert list(form.errors) == [name]
