"""The site's template tags. They are built in: no `{% load %}` needed."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from zlib import crc32

from django import template
from django.forms import BaseForm
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connhub.forms import Group, Mistake
from connhub.forms import grouped as groups_of
from connhub.forms import mistakes as mistakes_in

register = template.Library()

PALETTE_SIZE = 10
FOCUSED = SafeString(" autofocus")
SILENT = SafeString('aria-hidden="true"')
HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
MINUTE, HOUR, DAY, MONTH = 60, 3600, 86400, 30 * 86400
STYLES = {
    "link": "link",
    "btn": "btn",
    "primary": "btn primary",
    "danger": "btn danger",
    "iconbtn": "iconbtn",
    "item": "",
    "item-danger": "danger",
}
POPUP = ' hx-get="{}" hx-target="#dialog" aria-haspopup="dialog"'
WORDED = '<a class="{}" href="{}"{}>{}{}</a>'
BARE = '<a class="iconbtn" href="{}"{} aria-label="{}" data-tip="{}">{}</a>'


@register.simple_tag(name="icon")
@cache
def _icon(name: str) -> SafeString:
    """An icon of `static/icons.svg`. It says nothing to a screen reader: put text beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


@register.simple_tag(takes_context=True)
def heading(context) -> SafeString:
    """What the page's `title` block says, once more: for the `<h1>`."""
    block = context.render_context[BLOCK_CONTEXT_KEY].get_block("title")
    return block.render(context) if block else SafeString()


@register.simple_tag
def action(
    url_name: str,
    target,
    label: str,
    *,
    icon: str = "",
    style: str = "link",
    popup: bool = True,
    **query: str,
) -> SafeString:
    """A link to what can be done with `target`, opened in the pop-up where there is JavaScript.

    `target` is named in the URL by its `url_key` (one value or several), else its pk; None = not at
    all. `style`: link, btn, primary, danger, iconbtn, item or item-danger (in a menu). `query` is
    what the form is filled in with.
    """
    # Written here and not in a template: a listing has hundreds of them.
    url = reverse(url_name, args=_url_args(target), query=query or None)
    picture = _icon(icon) if icon else ""
    into_popup = format_html(POPUP, url) if popup else ""
    if style == "iconbtn":
        about = label if target is None else f"{label} {target}"
        return format_html(BARE, url, into_popup, about, label, picture)
    return format_html(WORDED, STYLES[style], url, into_popup, picture, label)


def _url_args(target) -> list:
    if target is None:
        return []
    key = getattr(target, "url_key", None) or getattr(target, "pk", target)
    return list(key) if isinstance(key, tuple | list) else [key]


@register.simple_tag
def ago(moment: datetime | None, never: str = "never") -> SafeString | str:
    """How long ago, or until, in words; the exact time on hover."""
    if moment is None:
        return never
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        f"{date_format(local, 'j M Y, H:i:s')} {local.tzname()}",
        span_in_words(local),
    )


def span_in_words(moment: datetime) -> str:
    """How long ago, or until; of what is long ago, the day."""
    local = timezone.localtime(moment)
    seconds = (timezone.now() - local).total_seconds()
    span = abs(int(seconds))
    if span < MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    if span >= MONTH:
        return date_format(local, "j M Y")
    count = _count(span)
    return f"{count} ago" if seconds >= 0 else f"in {count}"


def _count(span: int) -> str:
    if span < HOUR:
        return f"{span // MINUTE} min"
    if span < DAY:
        return f"{span // HOUR} h"
    days = span // DAY
    return "1 day" if days == 1 else f"{days} days"


@register.inclusion_tag("ui/_pill.html")
def pill(status) -> dict:
    """A status: anything with a `label`, and a `tone` of ok, warn, bad or idle."""
    return {"status": status}


@register.simple_tag
def avatar(user, decorative: bool = False) -> SafeString:
    """The person's initials on a colour of their own; `decorative` beside their written name."""
    name = str(user)
    return format_html(
        '<span class="avatar c{}" title="{}" {}>{}</span>',
        crc32(str(user.pk).encode()) % PALETTE_SIZE,
        name,
        SILENT if decorative else format_html('role="img" aria-label="{}"', name),
        _initials(name),
    )


def _initials(name: str) -> str:
    words = re.findall(r"\w+", name.partition("@")[0]) or ["?"]
    ends = words[:1] + words[1:][-1:]
    return "".join(word[0] for word in ends).upper()


MONOGRAM = (
    '<svg class="logo" width="{0}" height="{0}" viewBox="0 0 30 30" aria-hidden="true">'
    '<rect width="30" height="30" rx="7" {1}/><text x="15" y="15" text-anchor="middle" '
    'dominant-baseline="central" fill="{2}">{3}</text></svg>'
)
TILE = '<a class="tile" href="{}"{}>{}<span><b>{}</b><small>{}</small></span></a>'


@register.simple_tag
def tile(service, url_name: str, query: Mapping[str, str], focused: bool = False) -> SafeString:
    """A service of the gallery with its auth methods, as a link to the page of that name."""
    methods = " · ".join(method.label for method in service.auth_methods.all())
    url = reverse(url_name, args=[service.slug], query=query)
    focus = FOCUSED if focused else ""
    return format_html(TILE, url, focus, monogram(service), service.name, methods)


@register.simple_tag
def monogram(service, size: int = 30) -> SafeString:
    """The service's square: two letters on its `colour` (#rrggbb), or on one chosen by its slug.

    The colour is a presentation attribute of an SVG, which a strict style-src lets pass.
    """
    colour = getattr(service, "colour", "") or ""
    is_set = bool(HEX_COLOUR.fullmatch(colour))
    key = getattr(service, "slug", service.name)
    # Written here like tiles and actions: there are hundreds of them on a page.
    fill = format_html('fill="{}"', colour) if is_set else _palette(key)
    letters = getattr(service, "monogram", "") or _letters(service.name)
    return format_html(MONOGRAM, size, fill, _ink(colour) if is_set else "#fff", letters)


def _palette(key: str) -> SafeString:
    return format_html('class="c{}"', crc32(key.encode()) % PALETTE_SIZE)


def _letters(name: str) -> str:
    words = re.findall(r"[^\W_]+", name) or ["?"]
    capitals = re.findall(r"[A-Z]", words[0])
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return "".join(capitals[:2]) if len(capitals) == 2 else words[0][:2].capitalize()


@lru_cache(maxsize=1024)
def _ink(colour: str) -> str:
    """White or near-black, whichever is read better on the colour (WCAG 2 relative luminance)."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#fff" if luminance < 0.2 else "#161a22"


@register.inclusion_tag("ui/_sparkline.html")
def sparkline(values: Sequence[int], label: str = "Calls") -> dict:
    """A small line of the values, oldest first."""
    top = max(values, default=0) or 1
    step = 88 / max(len(values) - 1, 1)
    points = [f"{2 + i * step:.1f},{20 - 18 * value / top:.1f}" for i, value in enumerate(values)]
    return {"points": " ".join(points), "label": label, "total": f"{sum(values):,}"}


@register.inclusion_tag("ui/_bars.html")
def bars(days: Sequence[dict], noun: str = "calls") -> dict:
    """A bar for each of `days`, dicts of `day` (a date), `ok` and `failed` (counts), oldest first."""
    top = max((day["ok"] + day["failed"] for day in days), default=0) or 1
    step = 570 / max(len(days), 1)
    failed = sum(day["failed"] for day in days)
    total = failed + sum(day["ok"] for day in days)
    return {
        "bars": [_bar(day, i * step, step, 106 / top) for i, day in enumerate(days)],
        "noun": noun,
        "total": f"{total:,}",
        "failed": f"{failed:,}",
        "first": days[0]["day"] if days else None,
        "last": days[-1]["day"] if days else None,
    }


def _bar(day: dict, x: float, step: float, scale: float) -> dict:
    ok, failed = day["ok"] * scale, day["failed"] * scale
    return {
        "day": day["day"],
        "ok": f"{day['ok']:,}",
        "failed": f"{day['failed']:,}",
        "has_failed": bool(day["failed"]),
        "left": f"{x:.1f}",
        "step": f"{step:.1f}",
        "x": f"{x + step * 0.15:.1f}",
        "width": f"{step * 0.7:.1f}",
        "ok_y": f"{110 - ok:.1f}",
        "ok_height": f"{ok:.1f}",
        "failed_y": f"{110 - ok - failed:.1f}",
        "failed_height": f"{failed:.1f}",
    }


@register.filter
def grouped(form: BaseForm) -> list[Group]:
    """The form's fields in its groups (see `connhub.forms.grouped`)."""
    return list(groups_of(form))


@register.filter
def mistakes(form: BaseForm) -> list[Mistake]:
    """All that is wrong in the form (see `connhub.forms.mistakes`)."""
    return list(mistakes_in(form))


@register.filter
def thousands(number: int) -> str:
    """12,345"""
    return f"{number:,}"
