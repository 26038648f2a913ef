"""The pages of Acme Cloud, from the templates in `pages/`; every value is escaped here."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from connhub.demo.grants import SCOPES
from connhub.demo.samples import PEOPLE
from connhub.demo.server import Response

FOLDER = Path(__file__).with_name("pages")
STYLE = (FOLDER / "style.css").read_text()
ICON = (FOLDER / "icon.svg").read_text()


def style() -> Response:
    return Response(STYLE, content_type="text/css; charset=utf-8")


def icon() -> Response:
    return Response(ICON, content_type="image/svg+xml")


def home() -> Response:
    """What this is, for whoever opens the address itself."""
    return _page("Acme Cloud", _fill("home.html", scopes=_items(SCOPES.values())))


def sign_in(*, csrf: str, query: str) -> Response:
    """One button for each person; `query` is the authorization request to go on with."""
    people = "".join(
        _fill("person.html", key=key, initials=_initials(who["name"]), **_only(who, "name", "job"))
        for key, who in PEOPLE.items()
    )
    content = _fill("sign_in.html", csrf=csrf, query=query, people=_Markup(people))
    return _page("Sign in to Acme Cloud", content)


def consent(*, csrf: str, query: str, person: str, scopes: list[str], back_to: str) -> Response:
    """Asks whether the application may; `back_to` is where either answer leads."""
    who = PEOPLE[person]
    content = _fill(
        "consent.html",
        csrf=csrf,
        query=query,
        key=person,
        initials=_initials(who["name"]),
        scopes=_items(SCOPES[scope] for scope in scopes),
        back_to=_origin(back_to),
        **_only(who, "name", "email"),
    )
    # Browsers hold form-action against the redirect that answers the form, too.
    return _page("Allow ConnHub?", content, form_action=f"'self' {_origin(back_to)}")


def problem(text: str, *, status: int = 400) -> Response:
    """A page that says in one sentence what went wrong and what to do."""
    return _page("Something is wrong", _fill("problem.html", text=text), status=status)


class _Markup(str):
    """Text that is HTML already and is not escaped again."""


def _fill(name: str, /, **values: str) -> _Markup:
    template = Template((FOLDER / name).read_text())
    escaped = {k: v if isinstance(v, _Markup) else escape(v) for k, v in values.items()}
    return _Markup(template.substitute(escaped))


def _page(
    title: str, content: _Markup, *, status: int = 200, form_action: str = "'self'"
) -> Response:
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {form_action}"
    )
    return Response(
        _fill("layout.html", title=title, content=content),
        status,
        headers={"Content-Security-Policy": policy},
    )


def _items(texts: Iterable[str]) -> _Markup:
    return _Markup("".join(f"<li>{escape(text)}</li>" for text in texts))


def _only(values: dict, *names: str) -> dict:
    return {name: values[name] for name in names}


def _initials(name: str) -> str:
    return "".join(part[0] for part in name.split())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
