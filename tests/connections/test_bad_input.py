"""Whatever is sent to a form of a connection: it is taken whole, or refused with words and nothing done."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from django.db import transaction
from django.forms import BaseForm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhub.audit.models import Event
from connhub.connections.bundles import exporting, imports
from connhub.connections.connect_links import making
from connhub.connections.models import (
    Connection,
    ConnectLink,
    Credential,
    Import,
    ListingColumns,
    SavedView,
    Settings,
)
from connhub.sharing import roles
from connhub.usage.models import Availability, Registration
from tests.conftest import CANARY
from tests.connections.bundles.conftest import PASSPHRASE
from tests.connections.steps import enter_password_again
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

URLENCODED = "application/x-www-form-urlencoded"
KEPT = (
    *(Connection, Settings, Credential, ConnectLink, Import, SavedView, ListingColumns),
    *(Availability, Registration),
)
NASTY = st.sampled_from(
    ["", " ", "\0", "a\0b", "\x1b[2J", "\r\n", "\ud800", "\u2028", "🦊" * 9, "\u202egnp.exe",
     "é" * 400, "x" * 30_000, ",".join(f"tag {n}" for n in range(10_000)), "9" * 400, "-1", "1e999",
     "NaN", "²", "１", "null", "[]", "{shop}", "{", "<script>alert(1)</script>", "%00", "../..",
     "on", "no-such", "new", "true", "https://u:p@a.example", "https://[::1", "//", "\\", "billing"]
)  # fmt: skip
ANYTHING = NASTY | st.text(st.characters(codec=None), max_size=40)

DATA = {
    "name": "CRM", "link_name": "crm", "description": "", "tags": "eu", "access_mode": "proxy",
    "login_user": "", "environment": "", "p_shop": "acme", "s_key_1": CANARY, "to": "account",
    "project": "", "integration": "", "own-production-on": "on", "own-production-base_url": "",
    "own-production-p_shop": "live", "own-production-s_key_1": CANARY,
}  # fmt: skip


@dataclass
class Page:
    """A form: its URL, what would be right, and what of that is secret."""

    url: str
    right: dict[str, str]
    secrets: tuple[str, ...] = ()


# --- The forms ------------------------------------------------------------------------------------


@pytest.fixture
def shop():
    spec = {
        "name": "shop", "label": "Shop", "help": "", "pattern": "^[a-z-]+$", "placeholder": "",
        "required": True, "default": "",
    }  # fmt: skip
    service = ServiceFactory(
        slug="shop", base_url="https://{shop}.example.com/v1", parameters=[spec]
    )
    return AuthMethodFactory(service=service)


@pytest.fixture
def billing(ada, bob, shop):
    made = connect(ada, method=shop, secret=CANARY, parameters={"shop": "acme"})
    roles.grant(made, bob, by=ada)
    return made


@pytest.fixture
def form_page(request, ada, shop, billing, integration) -> Callable[[str], Page]:
    """Each of the forms, with what it takes to be shown."""
    spare = connect(ada, method=shop, link_name="spare", parameters={"shop": "acme"})
    here = f"/connections/{billing.link_name}/"
    edited = ("name", "description", "tags", "access_mode", "login_user", "p_shop", "s_key_1")
    export = {
        "what": "these", "link_names": "billing spare", "secrets": "on", "sealed_by": "own",
        "offered": "", "own": CANARY, "again": CANARY,
    }  # fmt: skip

    def exported() -> Page:
        enter_password_again(request.getfixturevalue("client"))
        return Page("/connections/export/", export, ("own", "again"))

    def imported() -> Page:
        theirs = Connection.objects.administered_by(ada)
        file = exporting.export(theirs, with_secrets=True, sealed_under=PASSPHRASE, by=ada)
        row = imports.keep(imports.open_file(file, PASSPHRASE, by=ada), by=ada)
        decided = {
            "existing": "add", "tags": "new", "moves": "on", "choice_billing": "replace",
            "page": "1", "seen": "x",
        }  # fmt: skip
        return Page(row.get_absolute_url(), decided)

    def visit() -> Page:
        link, _ = making.make(billing, by=ada, environment=None, note="")
        session = request.getfixturevalue("client").session
        session["connect_links"] = {str(link.pk): {}}
        session.save()
        return Page(f"/connect/{link.pk}/", {"key_1": CANARY, "used_by": "Eve"}, ("key_1",))

    pages = {
        "create": lambda: Page(
            "/connections/new/shop/", DATA, ("s_key_1", "own-production-s_key_1")
        ),
        "create inside": lambda: Page(
            f"/connections/new/shop/?integration={integration.slug}", DATA, ("s_key_1",)
        ),
        "edit": lambda: Page(
            f"{here}edit/", {n: DATA[n] for n in edited} | {"version": "1"}, ("s_key_1",)
        ),
        "rename": lambda: Page(f"{here}rename/", {"name": "CRM", "version": "1"}),
        "reconnect": lambda: Page(
            f"{here}reconnect/", {"key_1": CANARY, "version": "1"}, ("key_1",)
        ),
        "environment": lambda: Page(
            f"{here}environments/production/",
            {"base_url": "", "p_shop": "live", "s_key_1": CANARY, "version": "1"},
            ("s_key_1",),
        ),
        "duplicate": lambda: Page(f"{here}duplicate/", {"name": "Copy", "link_name": "copy"}),
        "tag": lambda: Page(
            "/connections/bulk-actions/",
            {"action": "tag", "tags": "eu, b2b", "link_name": "billing"},
        ),
        "disable many": lambda: Page(
            "/connections/bulk-actions/", {"action": "disable", "link_name": "billing"}
        ),
        "test many": lambda: Page("/connections/tests/", {"link_name": "billing"}),
        "saved view": lambda: Page("/connections/saved-views/?q=a", {"name": "Mine"}),
        "columns": lambda: Page("/connections/shown-columns/", {"columns": "service"}),
        "export": exported,
        "upload": lambda: Page("/connections/import/", {"passphrase": CANARY}, ("passphrase",)),
        "import": imported,
        "connect link": lambda: Page(f"{here}connect-link/", {"environment": "all", "note": "Hi"}),
        "visit": visit,
        "availability": lambda: Page(
            f"{here}availability/",
            {"to": "integration", "project": "", "integration": integration.slug},
        ),
        "replace": lambda: Page(f"{here}replace/", {"to": spare.link_name, "seen": ""}),
    }
    return lambda name: pages[name]()


NAMES = [
    *("create", "create inside", "edit", "rename", "reconnect", "environment", "duplicate", "tag"),
    *("disable many", "test many", "saved view", "columns", "export", "upload", "import"),
    *("connect link", "visit", "availability", "replace"),
]


# --- Sending --------------------------------------------------------------------------------------


def urlencoded(values: dict[str, list[str]]) -> bytes:
    """As a browser sends it; half a surrogate pair, too, which no browser would."""
    return "&".join(
        f"{quote(name)}={quote(value.encode('utf-8', 'surrogatepass'))}"
        for name, several in values.items()
        for value in several
    ).encode()


def typed(page: Page):
    """What is right, with some of it replaced by anything, left out or repeated."""
    several = st.lists(ANYTHING, max_size=3)
    wrong = st.dictionaries(st.sampled_from(sorted(page.right)), several, min_size=1, max_size=3)

    def send(changes: dict[str, list[str]]) -> dict[str, list[str]]:
        values = {name: [value] for name, value in page.right.items()} | changes
        for name in page.secrets:
            values[name] = [CANARY + value for value in values[name]]
        return values

    return wrong.map(send)


def standing() -> list:
    """All that a form could change, and what is on record as done."""
    rows = [list(model.objects.order_by("pk").values()) for model in KEPT]
    return [*rows, Event.objects.filter(outcome="ok").count()]


def is_accepted(answer) -> bool:
    """A redirect onwards, a file, or a page that shows what was done."""
    shown = answer.context or {}
    done = ("outcomes", "address") if answer.status_code == 200 else ()
    return (
        answer.status_code in (204, 302, 303)
        or "Content-Disposition" in answer
        or any(name in shown for name in done)
    )


def says_why(answer) -> bool:
    """Each error stands on the page, beside its field or above them; or it asks before it acts."""
    shown = answer.context
    form = shown.get("form")
    if isinstance(form, BaseForm) and form.is_bound:
        named = any(part.errors for part in (form, *getattr(form, "parts", ())))
        return named or "preview" in shown
    return bool(form or shown.get("error") or shown.get("refusal") or "rows" in shown)


def check(client, page: Page, values: dict[str, list[str]], before: list) -> None:
    """Send it, hold the answer against the rules, and make all undone."""
    mark = transaction.savepoint()
    try:
        answer = client.post(page.url, urlencoded(values), content_type=URLENCODED)
        assert answer.status_code < 500
        assert CANARY.encode() not in answer.content
        if not is_accepted(answer):
            assert standing() == before
            assert answer.status_code in (400, 404) or says_why(answer)
    finally:
        transaction.savepoint_rollback(mark)


@pytest.mark.parametrize("name", NAMES)
def test_anything_sent_is_taken_whole_or_refused_with_words(client, ada, form_page, name):
    client.force_login(ada)
    page = form_page(name)
    before = standing()

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(typed(page))
    def send(values):
        check(client, page, values, before)

    send()


@pytest.mark.parametrize("name", NAMES)
def test_no_field_takes_control_characters_or_halves_of_them(client, ada, form_page, name):
    client.force_login(ada)
    page = form_page(name)
    before = standing()

    for field in page.right:
        for odd in ("a\0b", "\ud800", "a\x1bb"):
            right = {name: [value] for name, value in page.right.items()}
            check(client, page, right | {field: [odd]}, before)


PLACES = (
    *("/connections/billing/reconnect/", "/connections/billing/revoke/"),
    *("/connections/billing/authorize/", "/connections/billing/connect-link/"),
    *("/connections/billing/test/", "/profile/sign-ins/billing/remove/"),
    *("/connections/new/", "/connections/new/shop/"),
)


@pytest.mark.parametrize("url", PLACES)
def test_a_query_names_nothing_with_control_characters(client, ada, shop, billing, url):
    client.force_login(ada)

    answer = client.get(url, {"environment": "a\0b", "integration": "a\0b"})

    assert answer.status_code == 404


@pytest.mark.parametrize("name", [name for name in NAMES if name != "upload"])
def test_what_is_right_is_accepted(client, ada, form_page, name):
    client.force_login(ada)
    page = form_page(name)

    answer = client.post(page.url, page.right)

    assert is_accepted(answer) or "rows" in answer.context or "preview" in answer.context
