"""A call over a connection, and fetching its credential, each written in four ways.

Whatever comes from a service or a person is quoted for the language: it may hold anything.
"""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from shlex import quote as in_shell
from string import Template
from typing import Any

from connhub.services.operations import FORM

from .openings import Opening
from .sample import Sample

quoted = partial(json.dumps, ensure_ascii=False)  # as Python and JavaScript both read it
GLOBBED = frozenset("[]{}")  # in a URL, curl would read more than one in these

PYTHON_CALL = Template("""\
import os

import requests

answer = requests.$verb(
    $url,
    headers={
        "Authorization": f"Bearer {os.environ['CONNHUB_KEY']}",$headers
    },$body
    timeout=90,
)
answer.raise_for_status()
print(answer.text)""")
CLIENT_CALL = Template("""\
from connhub_client import ConnHub

with ConnHub($hub) as hub:  # the key is in CONNHUB_KEY
    connection = hub.connection($link_name$as_user)
    answer = connection.$verb($path$options)
answer.raise_for_status()
print(answer.text)""")
JAVASCRIPT_CALL = Template("""\
const answer = await fetch($url, {
  method: $verb,
  headers: {
    Authorization: `Bearer $${process.env.CONNHUB_KEY}`,$headers
  },$body
});
if (!answer.ok) throw new Error(await answer.text());
console.log(await answer.text());""")

PYTHON_FETCH = Template("""\
$imports

kept = {"until": 0}


def credentials():
    \"\"\"Fetched anew shortly before they end, and every 5 minutes if they don't.\"\"\"
    if time.time() >= kept["until"]:
        answer = requests.get(
            $url,
            headers={
                "Authorization": f"Bearer {os.environ['CONNHUB_KEY']}",$headers
            },
            timeout=90,
        )
        answer.raise_for_status()
        found = answer.json()
        ends = found["expires_at"]
        kept["until"] = datetime.fromisoformat(ends).timestamp() - 30 if ends else time.time() + 300
        kept["login"] = found["credentials"]
    return kept["login"]


login = credentials()
$use""")
CLIENT_FETCH = Template("""\
$imports

with ConnHub($hub) as hub:  # the key is in CONNHUB_KEY
    connection = hub.connection($link_name$as_user)
    login = connection.credentials().values  # kept until shortly before their end
$use""")
JAVASCRIPT_FETCH = Template("""\
let kept = { until: 0 };

// Fetched anew shortly before they end, and every 5 minutes if they don't.
async function credentials() {
  if (Date.now() >= kept.until) {
    const answer = await fetch($url, {
      headers: {
        Authorization: `Bearer $${process.env.CONNHUB_KEY}`,$headers
      },
    });
    if (!answer.ok) throw new Error(await answer.text());
    const found = await answer.json();
    const ends = found.expires_at ? Date.parse(found.expires_at) - 30_000 : Date.now() + 300_000;
    kept = { until: ends, login: found.credentials };
  }
  return kept.login;
}

console.log(Object.keys(await credentials()));""")


def curl(url: str, sample: Sample, user: str) -> str:
    """`user` is whom the flow acts for, or ""; so in all that follow."""
    verb = {"GET": [], "HEAD": ["--head"]}.get(sample.method, [f"-X {in_shell(sample.method)}"])
    first = ["curl", *verb, *(["--globoff"] if GLOBBED & set(url) else []), in_shell(url)]
    parts = [" ".join(first), '-H "Authorization: Bearer $CONNHUB_KEY"']
    parts += [f"-H {in_shell(f'{name}: {value}')}" for name, value in _headers(sample, user)]
    if sample.body_type:
        parts.append(f"-d {in_shell('' if sample.json is None else quoted(sample.json))}")
    return " \\\n  ".join(parts)


def python(url: str, sample: Sample, user: str) -> str:
    json_body = f"\n    json={_in_python(sample.json)}," if sample.json is not None else ""
    headers = [pair for pair in _headers(sample, user) if not (json_body and _is_type(pair))]
    return PYTHON_CALL.substitute(
        verb=sample.method.lower(),
        url=quoted(url),
        headers=_lines(headers, 8),
        body=json_body,
    )


def client(hub: str, link_name: str, sample: Sample, user: str) -> str:
    """By ConnHub's own client for Python; `hub` is ConnHub's URL."""
    options = ""
    headers = [pair for pair in _headers(sample, "") if not (sample.json and _is_type(pair))]
    if headers:
        options += f", headers={_in_python(dict(headers))}"
    if sample.json is not None:
        options += f", json={_in_python(sample.json)}"
    is_named = sample.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    path = quoted(sample.path)
    return CLIENT_CALL.substitute(
        hub=quoted(hub),
        link_name=quoted(link_name),
        as_user=_as_user(user),
        verb=sample.method.lower() if is_named else "request",
        path=path if is_named else f"{quoted(sample.method)}, {path}",
        options=options,
    )


def javascript(url: str, sample: Sample, user: str) -> str:
    json_body = f"\n  body: JSON.stringify({quoted(sample.json)})," if sample.json else ""
    return JAVASCRIPT_CALL.substitute(
        url=quoted(url),
        verb=quoted(sample.method),
        headers=_lines(_headers(sample, user), 4),
        body=json_body,
    )


def python_fetching(url: str, user: str, opening: Opening) -> str:
    """`opening` connects with what was fetched."""
    standard = ["import os", "import time", "from datetime import datetime"]
    return PYTHON_FETCH.substitute(
        url=quoted(url),
        headers=_lines(_headers(Sample(), user), 16),
        imports=_imports([*standard, *opening.standard], ["import requests", *opening.libraries]),
        use=opening.code,
    )


def client_fetching(hub: str, link_name: str, user: str, opening: Opening) -> str:
    return CLIENT_FETCH.substitute(
        hub=quoted(hub),
        link_name=quoted(link_name),
        as_user=_as_user(user),
        imports=_imports(
            opening.standard, [*opening.libraries, "from connhub_client import ConnHub"]
        ),
        use=opening.code,
    )


def javascript_fetching(url: str, user: str) -> str:
    return JAVASCRIPT_FETCH.substitute(url=quoted(url), headers=_lines(_headers(Sample(), user), 8))


def _headers(sample: Sample, user: str) -> list[tuple[str, str]]:
    acting = [("X-ConnHub-User", user)] if user else []
    typed = [("Content-Type", sample.body_type)] if sample.body_type else []
    return [*acting, *sample.headers, *typed]


def _is_type(pair: tuple[str, str]) -> bool:
    return pair[0].lower() == "content-type" and pair[1] != FORM


def _lines(headers: Iterable[tuple[str, str]], indent: int) -> str:
    """One to a line, after the first one that the template has."""
    return "".join(f"\n{' ' * indent}{quoted(name)}: {quoted(value)}," for name, value in headers)


def _as_user(user: str) -> str:
    return f", as_user={quoted(user)}" if user else ""


def _imports(standard: Iterable[str], libraries: Iterable[str]) -> str:
    """Sorted as import sorters have it: `import` before `from`, the standard library apart."""
    groups = [
        sorted(set(group), key=lambda line: (line.startswith("from"), line))
        for group in (standard, libraries)
    ]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _in_python(value: Any) -> str:
    """A value that came as JSON, as Python writes it."""
    if isinstance(value, Mapping):
        items = (f"{quoted(name)}: {_in_python(each)}" for name, each in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_python, value))}]"
    return quoted(value) if isinstance(value, str) else repr(value)
