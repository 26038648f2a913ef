"""The rules that hold for the whole house; each is shown to be able to fail."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

HOUSE = Path(__file__).parent.parent
ROOMS = ("vault", "egress", "audit", "accounts", "services", "sharing", "connections", "usage")
# Belongs to no room and knows of none: any room may use it.
FURNITURE = {
    "admin_site", "apps", "caching", "context", "days", "errors", "forms", "htmx", "latency", "logs", "lookup", "middleware", "paging", "public_ids", "row_by_row", "tags", "throttle",
}  # fmt: skip
# Stands above the rooms and puts them together: no room may know of it.
ROOF = {
    "asgi", "backups", "bootstrap", "configuration", "demo", "health", "management", "protocol", "settings", "supervise", "urls",
}  # fmt: skip
MAY_BESIDES = {"logs": {"audit.context"}}

NETWORK = {
    "aiohttp", "ftplib", "http.client", "http.server", "httpx", "psycopg", "pymysql", "redis",
    "requests", "requests_oauthlib", "smtplib", "socket", "socketserver", "urllib.request", "urllib3",
}  # fmt: skip
OPENS_A_SOCKET = {
    "create_connection", "create_datagram_endpoint", "create_server", "create_unix_connection",
    "open_connection", "open_unix_connection", "sock_connect", "start_server",
}  # fmt: skip
# Named in annotations, in `except` or as a value: none of these opens anything.
HARMLESS = {
    "requests.Response", "aiohttp.ClientError", "aiohttp.ClientResponse", "aiohttp.ClientTimeout",
    "psycopg.Error", "smtplib.SMTPException",
}  # fmt: skip
MAY_REACH = {
    "connhub.egress": NETWORK | OPENS_A_SOCKET,
    "connhub.connections.databases": {
        "socket",
        "psycopg",
        "pymysql",
        "redis",
    },  # of egress
    "connhub.usage.revision": {"psycopg", "create_connection"},  # ConnHub's own database
    "connhub.backups.sqlite": {"create_connection"},  # a file
    "connhub.usage.rates.in_redis": {"redis"},  # ConnHub's own Redis
    "connhub.supervise": {"socket", "create_connection"},  # its own port
    "connhub.demo": {"http.server"},  # the provider beside a copy full of sample data
}

WRITES = {
    "create", "bulk_create", "get_or_create", "update_or_create", "update", "bulk_update", "delete",
    "acreate", "abulk_create", "aget_or_create", "aupdate_or_create", "aupdate", "adelete",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((HOUSE / "connhub").rglob("*.py")):
        if "migrations" not in path.parts:
            parts = path.relative_to(HOUSE).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(module: str, source: str, *, is_package=False) -> set[str]:
    """The absolute names that a module imports, `package` and `package.name` for each from-import."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = module.split(".")[: len(module.split(".")) - node.level + is_package]
            base = (
                ".".join([*up, node.module] if node.module else up) if node.level else node.module
            )
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(module: str, path: Path) -> set[str]:
    return imports(module, path.read_text(), is_package=path.name == "__init__.py")


def wrong_way(module: str, names: set[str]) -> set[str]:
    """Those of the imported names that a module of its place may not know."""
    place = module.split(".")[1] if "." in module else ""
    if place in ROOF or not place:
        return set()
    allowed = FURNITURE | (set(ROOMS[: ROOMS.index(place) + 1]) if place in ROOMS else set())
    besides = {f"connhub.{name}" for name in MAY_BESIDES.get(place, ())}
    ours = {name for name in names if name.startswith("connhub.")}
    return {
        name
        for name in ours
        if name.split(".")[1] not in allowed
        and not any(f"{name}.".startswith(f"{other}.") for other in besides)
    }


def reaches_out(module: str, source: str, *, is_package=False) -> set[str]:
    """What of a module could open a socket and isn't allowed to this module."""
    allowed = set().union(
        *(what for place, what in MAY_REACH.items() if f"{module}.".startswith(f"{place}."))
    )
    tree = ast.parse(source)
    named = imports(module, source, is_package=is_package)
    uses = {f"{n.value.id}.{n.attr}" for n in _attributes(tree) if isinstance(n.value, ast.Name)}
    found = {n.attr for n in _attributes(tree)} & OPENS_A_SOCKET
    for library in NETWORK - allowed:
        members = {name for name in named | uses if name.startswith(f"{library}.")}
        found |= members - HARMLESS
        if library in named and not members:
            found.add(library)
    return found - allowed


def _attributes(tree: ast.AST) -> list[ast.Attribute]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


def writes_events(source: str) -> list[int]:
    """The lines that make, change or delete a row of the record."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and _writes_an_event(node.func)
    ]


def _writes_an_event(func: ast.expr) -> bool:
    chain = ast.unparse(func)
    row = r"((audit\.)?models\.)?(Event|Head)"
    if re.fullmatch(row, chain):
        return True
    return chain.rpartition(".")[2] in WRITES and re.match(rf"{row}\.", chain) is not None


# --- The order of the rooms -----------------------------------------------------------------------


def test_imports_run_one_way():
    wrong = {
        module: names
        for module, path in modules()
        if (names := wrong_way(module, imports_of(module, path)))
    }

    assert wrong == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("connhub.vault.keyring", "from connhub.audit import log"),
        ("connhub.vault.keyring", "from ..audit.log import record"),
        ("connhub.vault.keyring", "def f():\n    import connhub.usage.models"),
        ("connhub.audit.log", "from connhub.accounts.models import User"),
        ("connhub.services.models", "from connhub import connections"),
        ("connhub.connections.auth.base", "from ...usage.keys import issue"),
        ("connhub.accounts.views", "from connhub.settings import DEBUG"),
        ("connhub.usage.views.keys", "from connhub import urls"),
        ("connhub.middleware", "from connhub.accounts.models import User"),
        ("connhub.logs", "from connhub.audit.log import record"),
    ],
)
def test_an_import_the_wrong_way_is_found(module, source):
    assert wrong_way(module, imports(module, source)) != set()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("connhub.audit.log", "from connhub.vault.keyring import seal"),
        ("connhub.audit.log", "from .models import Event"),
        ("connhub.connections.auth.base", "from ..models import Connection"),
        ("connhub.usage.views.keys", "from connhub import errors"),
        ("connhub.logs", "from connhub.audit.context import current"),
        ("connhub.urls", "from connhub.usage.api.runtime import api"),
    ],
)
def test_an_import_the_right_way_is_not(module, source):
    assert wrong_way(module, imports(module, source)) == set()


def test_everything_of_the_house_is_a_room_furniture_or_roof():
    places = {module.split(".")[1] for module, _ in modules() if "." in module}

    assert places == {*ROOMS, *FURNITURE, *ROOF}


def test_imports_stand_at_the_top():
    def inner(path):
        tree = ast.parse(path.read_text())
        functions = [
            n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return [
            n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)
        ]

    # An app's models can't be imported before all apps are there.
    late = [module for module, path in modules() if path.name != "apps.py" and inner(path)]
    assert late == []


# --- One room for each danger -----------------------------------------------------------------------


def test_only_egress_opens_sockets():
    wrong = {
        module: names
        for module, path in modules()
        if (names := reaches_out(module, path.read_text(), is_package=path.name == "__init__.py"))
    }

    assert wrong == {}


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import requests\nrequests.get('https://example.com')",
        "from requests import Session",
        "from requests import Response, Session",
        "import aiohttp\naiohttp.ClientSession()",
        "import urllib.request",
        "from urllib import request",
        "from http import client",
        "import http.client",
        "import asyncio\nasync def f():\n    await asyncio.open_connection('h', 1)",
        "import psycopg\npsycopg.connect('')",
        "from requests_oauthlib import OAuth2Session",
    ],
)
def test_a_socket_opened_elsewhere_is_found(source):
    assert reaches_out("connhub.usage.proxying", source) != set()


def test_only_the_vault_knows_cryptography():
    knowing = {
        module.split(".")[1]
        for module, path in modules()
        if any(
            name.split(".")[0] in ("cryptography", "nacl", "Crypto")
            for name in imports_of(module, path)
        )
    }

    assert knowing - {"demo"} == {"vault"}


def test_only_the_log_writes_events():
    writing = {module for module, path in modules() if writes_events(path.read_text())}

    # The verifier compares with a head that says nothing, where there is none.
    assert writing == {"connhub.audit.log", "connhub.audit.verify"}


@pytest.mark.parametrize(
    "source",
    [
        "Event(action='x').save()",
        "models.Event(action='x')",
        "Event.objects.create(action='x')",
        "audit.models.Event.objects.filter(pk=1).update(actor='x')",
        "Event.objects.all().delete()",
        "Head.objects.update(sequence=0)",
    ],
)
def test_an_event_written_elsewhere_is_found(source):
    assert writes_events(source) == [1]


def locks_in_the_way(source: str) -> list[int]:
    """Lines that lock rows so that nobody can even commit what points at them by a foreign key.

    Such a commit holds the record's last lock, and whoever has locked the rows waits for that one.
    """
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(".select_for_update")
        and "no_key" not in {keyword.arg for keyword in node.keywords}
    ]


def test_no_lock_is_in_the_way_of_foreign_keys():
    found = {module for module, path in modules() if locks_in_the_way(path.read_text())}

    assert found == set()


@pytest.mark.parametrize(
    "source",
    ["User.objects.select_for_update().get(pk=1)", "rows.select_for_update(of=('self',))"],
)
def test_a_lock_in_the_way_is_found(source):
    assert locks_in_the_way(source) == [1]


# --- Templates, migrations, size ----------------------------------------------------------------------

INLINE = re.compile(
    r"<style\b|<script\b(?![^>]*\bsrc=)|<[^>]*\s(style|on[a-z]+|hx-on\S*)\s*=|javascript:",
    re.IGNORECASE,
)


def templates():
    return sorted((HOUSE / "templates").rglob("*.html"))


def test_no_template_has_inline_script_or_style():
    inline = [
        str(path.relative_to(HOUSE)) for path in templates() if INLINE.search(path.read_text())
    ]

    assert inline == []
    assert templates()


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="color: red">',
        "<p\n  onclick=alert(1)>",
        "<script>alert(1)</script>",
        "<STYLE>p {}</STYLE>",
        '<a href="javascript:alert(1)">',
        '<button hx-on:click="x()">',
    ],
)
def test_inline_script_and_style_are_found(markup):
    assert INLINE.search(markup)


def test_a_script_of_ours_is_not_taken_for_inline():
    assert not INLINE.search('<script src="{% static "connhub.js" %}" defer></script>')


def test_nothing_is_marked_safe_by_hand():
    unescaped = re.compile(r"\|\s*safe\b|mark_safe\(|autoescape off")
    files = [*templates(), *(path for _, path in modules())]

    assert [path.name for path in files if unescaped.search(path.read_text())] == []


def test_nothing_comes_from_another_site():
    elsewhere = re.compile(
        r"<(script|link|img|iframe|source)\b[^>]*\b(src|href)=[\"']?(https?:)?//"
    )

    assert [path.name for path in templates() if elsewhere.search(path.read_text())] == []


@pytest.mark.django_db
def test_the_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_no_module_is_longer_than_400_lines():
    long = {
        module: n for module, path in modules() if (n := len(path.read_text().splitlines())) > 400
    }

    assert long == {}


def test_the_deployment_check_is_content(settings, monkeypatch):
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE")
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = True
    settings.CSRF_COOKIE_SECURE = settings.SECURE_HSTS_PRELOAD = True
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_SECONDS = 63072000

    call_command("check", deploy=True, fail_level="WARNING")
