"""What the shell of every page shows: the navigation, with counts."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Count, QuerySet, Value
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from . import caching
from .paging import MOST_COUNTED, in_words

# By URL name, filled in the `ready()` of the app that knows; a room above can't be asked from here.
counted: dict[str, Callable[[HttpRequest], QuerySet]] = {}
audiences: dict[str, Callable[[HttpRequest], bool]] = {}

NAVIGATION = (
    (
        "",
        (
            ("connections:list", "Connections", "plug"),
            ("readiness", "Readiness", "table-cells"),
            ("expiry", "Expiry", "calendar"),
            ("services:list", "Services", "squares-2x2"),
            ("usage:integrations", "Integrations", "rectangle-group"),
        ),
    ),
    (
        "Account",
        (
            ("accounts:people", "People", "users"),
            ("accounts:environments", "Environments", "square-3-stack-3d"),
            ("audit:log", "Audit log", "clipboard-document-list"),
        ),
    ),
)

# What belongs to an entry without its URL being below it, by namespace.
ALSO_BELOW = dict.fromkeys(("flows", "apps", "functions", "projects"), "usage:integrations")


@dataclass
class Entry:
    name: str
    label: str
    icon: str
    url: str
    count: str | None
    is_current: bool = False


@dataclass
class Section:
    title: str
    entries: list[Entry]


def shell(request: HttpRequest) -> dict:
    """Context processor. `nav` is worked out only when a page shows it, so fragments cost nothing."""
    return {"nav": SimpleLazyObject(lambda: navigation(request))}


def navigation(request: HttpRequest) -> list[Section]:
    """The sections of the side bar; entries that don't exist, or aren't for this person, left out."""
    counts = numbers(request)
    sections = [
        Section(title, [entry for row in rows if (entry := _entry(request, counts, *row))])
        for title, rows in NAVIGATION
    ]
    current = _current(request, [entry for section in sections for entry in section.entries])
    if current:
        current.is_current = True
    return [section for section in sections if section.entries]


def numbers(request: HttpRequest) -> dict[str, int]:
    """How many there are of each kind that this person sees, read once for the whole request.

    It counts no further than it takes to say that they are very many, and what are very many is
    not counted again for some minutes.
    """
    if "numbers" not in request.__dict__:
        request.__dict__["numbers"] = _counted(request)
    return request.__dict__["numbers"]


def _counted(request: HttpRequest) -> dict[str, int]:
    # By role as well: what a super admin saw is nothing to a member.
    key = f"very-many:{request.user.pk}:{getattr(request.user, 'role', '')}"
    many: dict[str, int] = caching.recall(key) or {}
    asked = [
        _first(things(request)).values(entry=Value(name)).annotate(entries=Count("pk"))
        for name, things in counted.items()
        if name not in many
    ]
    rows = asked[0].union(*asked[1:], all=True).values_list("entry", "entries") if asked else ()
    counts = dict.fromkeys(counted, 0) | many | dict(rows)
    now = {name: count for name, count in counts.items() if count > MOST_COUNTED}
    if now != many:
        caching.remember(key, now)
    return counts


def _first(things: QuerySet) -> QuerySet:
    some = things.order_by().values("pk")[: MOST_COUNTED + 1]
    return things.model._base_manager.filter(pk__in=some).order_by()


def _entry(
    request: HttpRequest, counts: dict[str, int], name: str, label: str, icon: str
) -> Entry | None:
    if name in audiences and not audiences[name](request):
        return None
    try:
        url = reverse(name)
    except NoReverseMatch:
        return None
    count = in_words(counts[name]) if name in counts else None
    return Entry(name, label, icon, url, count)


def _current(request: HttpRequest, entries: list[Entry]) -> Entry | None:
    """The entry whose URL the page is under."""
    namespace = request.resolver_match.namespace if request.resolver_match else ""
    if namespace in ALSO_BELOW:
        return next((entry for entry in entries if entry.name == ALSO_BELOW[namespace]), None)
    above = [entry for entry in entries if request.path.startswith(entry.url)]
    return max(above, key=lambda entry: len(entry.url), default=None)
