"""Snippets to copy: how a flow uses one connection. They hold no secret, not even a key."""

from dataclasses import dataclass
from string import Template

from django.conf import settings

from .auth import METHODS
from .models import Connection

CURL = Template("""\
curl $url \\
  -H "Authorization: Bearer $$CONNHUB_KEY\"""")
PYTHON = Template("""\
import os

${imports}import requests

answer = requests.get(
    "$url",
    headers={"Authorization": f"Bearer {os.environ['CONNHUB_KEY']}"},
)
answer.raise_for_status()$then""")
JAVASCRIPT = Template("""\
const answer = await fetch("$url", {
  headers: { Authorization: `Bearer $${process.env.CONNHUB_KEY}` },
});
if (!answer.ok) throw new Error((await answer.json()).type);$then""")

# By driver: the module, and what opens a connection with what the credentials call answers.
OPENING = {
    "postgresql": ("psycopg", 'database = psycopg.connect(credentials["dsn"])'),
    "mysql": (
        "pymysql",
        'database = pymysql.connect(\n    host=credentials["host"],\n'
        '    port=int(credentials["port"]),\n    user=credentials["user"],\n'
        '    password=credentials["password"],\n    database=credentials["database"],\n)',
    ),
    "redis": ("redis", 'database = redis.from_url(credentials["dsn"])'),
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """`name` tells it apart in pages, `label` is for people."""

    name: str
    label: str
    code: str


def snippets(connection: Connection) -> list[Snippet]:
    """How to call the service through the proxy or, where that can't be, how to fetch its login."""
    runtime = f"{settings.CONNHUB_URL}/api/v1/connections/{connection.link_name}"
    if METHODS[connection.auth_method.kind].is_http:
        test = connection.service.test
        path = test.get("path", "/…") if test.get("method", "GET") == "GET" else "/…"
        return _three(f"{runtime}/proxy{path}")
    module, opening = OPENING.get(connection.service.driver, ("", ""))
    return _three(
        f"{runtime}/credentials",
        imports=f"import {module}\n" if module else "",
        python=f'\ncredentials = answer.json()["credentials"]\n{opening}'.rstrip(),
        javascript="\nconst { credentials } = await answer.json();",
    )


def _three(url: str, *, imports: str = "", python: str = "", javascript: str = "") -> list[Snippet]:
    return [
        Snippet("curl", "curl", CURL.substitute(url=url)),
        Snippet("python", "Python", PYTHON.substitute(url=url, imports=imports, then=python)),
        Snippet("javascript", "JavaScript", JAVASCRIPT.substitute(url=url, then=javascript)),
    ]
