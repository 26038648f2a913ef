"""Snippets to copy: how a flow uses one connection. They hold no secret, not even a key."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from django.conf import settings

from .auth import METHODS
from .models import Connection

CURL = Template("""\
curl $url \\
  -H "Authorization: Bearer $$CONNHUB_KEY"$user""")
PYTHON = Template("""\
import os

${imports}import requests

answer = requests.get(
    "$url",
    headers={"Authorization": f"Bearer {os.environ['CONNHUB_KEY']}"$user},
)
answer.raise_for_status()$then""")
JAVASCRIPT = Template("""\
const answer = await fetch("$url", {
  headers: { Authorization: `Bearer $${process.env.CONNHUB_KEY}`$user },
});
if (!answer.ok) throw new Error((await answer.json()).type);$then""")

# For connections that use the credentials of login users: whom the flow acts for.
USERS = {
    "curl": ' \\\n  -H "X-ConnHub-User: person@example.com"',
    "python": ', "X-ConnHub-User": "person@example.com"',
    "javascript": ', "X-ConnHub-User": "person@example.com"',
}
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
    users = USERS if connection.login_user else {}
    if METHODS[connection.auth_method.kind].is_http:
        test = connection.service.test
        path = test.get("path", "/…") if test.get("method", "GET") == "GET" else "/…"
        return _three(f"{runtime}/proxy{path}", users)
    module, opening = OPENING.get(connection.service.driver, ("", ""))
    return _three(
        f"{runtime}/credentials",
        users,
        imports=f"import {module}\n" if module else "",
        python=f'\ncredentials = answer.json()["credentials"]\n{opening}'.rstrip(),
        javascript="\nconst { credentials } = await answer.json();",
    )


def _three(
    url: str,
    users: Mapping[str, str],
    *,
    imports: str = "",
    python: str = "",
    javascript: str = "",
) -> list[Snippet]:
    texts = {
        "curl": CURL.substitute(url=url, user=users.get("curl", "")),
        "python": PYTHON.substitute(
            url=url, user=users.get("python", ""), imports=imports, then=python
        ),
        "javascript": JAVASCRIPT.substitute(
            url=url, user=users.get("javascript", ""), then=javascript
        ),
    }
    labels = {"curl": "curl", "python": "Python", "javascript": "JavaScript"}
    return [Snippet(name, labels[name], text) for name, text in texts.items()]
