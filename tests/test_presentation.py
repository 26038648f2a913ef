import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import include, path, resolve
from django_htmx.middleware import HtmxMiddleware

from connhub import context
from connhub.accounts.models import User
from connhub.errors import Refusal
from connhub.forms import Described, SecretField, Switch
from connhub.htmx import changed, wants_fragment
from connhub.middleware import (
    RefusalMiddleware,
    RequestIdMiddleware,
    SecurityHeadersMiddleware,
    csrf_failure,
)

CANARY = "canary-7f3a"
NOW = datetime(2026, 11, 19, 14, 3, tzinfo=UTC)
TEMPLATES = Path(settings.BASE_DIR) / "templates"
STATIC = Path(settings.BASE_DIR) / "static"

pytestmark = pytest.mark.urls(__name__)


def page(request, **kwargs):
    return HttpResponse()


connections = [
    path("", page, name="list"),
    path("<link_name>/", page, name="summary"),
    path("<link_name>/rename/", page, name="rename"),
]
accounts = [path("people/", page, name="people"), path("profile/", page, name="profile")]
urlpatterns = [
    path("connections/", include((connections, "connections"))),
    path("", include((accounts, "accounts"))),
]


class StillInUse(Refusal):
    code = "still-in-use"
    text = "2 flows still use it."


class Away(Refusal):
    code = "away"
    text = "The record is full."
    status = 503


@pytest.fixture
def ask(settings):
    """A request as a view gets it; `at` is the page on which htmx runs."""

    def ask(url="/connections/crm/rename/", *, method="post", at=None, **headers):
        if at:
            headers |= {"HX-Request": "true", "HX-Current-URL": f"http://testserver{at}"}
        request = getattr(RequestFactory(), method)(url, headers=headers)
        request.user = AnonymousUser()
        request.resolver_match = resolve(request.path)
        request._messages = CookieStorage(request)
        HtmxMiddleware(lambda request: HttpResponse())(request)
        return request

    return ask


def rendered(source, **values):
    return Template(source).render(Context(values))


def texts(html, pattern):
    return re.findall(pattern, html, re.DOTALL)


# Refusals


def test_refusal_says_its_own_text_unless_given_another():
    said = [str(StillInUse()), str(StillInUse("3 flows use CRM.", links=[("Sync", "/f/")]))]

    assert said == ["2 flows still use it.", "3 flows use CRM."]


def test_refusal_is_answered_with_a_page_that_has_its_text_links_and_a_way_back(ask):
    request = ask(Referer="http://testserver/connections/crm/")

    response = RefusalMiddleware(page).process_exception(
        request, StillInUse(links=[("Lead <sync>", "/flows/lead-sync/")])
    )

    html = response.content.decode()
    assert response.status_code == 409
    assert texts(html, r"<p>([^<]+)</p>") == ["2 flows still use it."]
    assert texts(html, r'<a class="[^"]+" href="([^"]+)">([^<]+)<') == [
        ("/flows/lead-sync/", "Lead &lt;sync&gt;"),
        ("http://testserver/connections/crm/", "Back"),
    ]


@pytest.mark.parametrize("referer", ["https://evil.example/", "javascript:alert(1)", ""])
def test_refusal_leads_back_to_our_own_pages_alone(ask, referer):
    response = RefusalMiddleware(page).process_exception(ask(Referer=referer), StillInUse())

    assert texts(response.content.decode(), r'<a class="btn" href="([^"]+)"') == ["/"]


def test_refusal_for_htmx_is_a_fragment_for_the_pop_up(ask):
    response = RefusalMiddleware(page).process_exception(ask(at="/connections/"), StillInUse())

    html = response.content.decode()
    assert (response.status_code, response["HX-Retarget"]) == (409, "#dialog")
    assert texts(html, r"<p>([^<]+)</p>") == ["2 flows still use it."]
    assert texts(html, "<html") == []


def test_refusal_keeps_its_own_status(ask):
    response = RefusalMiddleware(page).process_exception(ask(), Away())

    assert response.status_code == 503
    assert texts(response.content.decode(), r"<p>([^<]+)</p>") == ["The record is full."]


def test_other_errors_are_not_answered(ask):
    answer = RefusalMiddleware(page).process_exception(ask(), ValueError(CANARY))

    assert answer is None


def test_csrf_failure_is_a_refusal_that_keeps_the_reason_to_itself(ask):
    response = csrf_failure(ask(), reason=CANARY)

    assert response.status_code == 403
    assert CANARY not in response.content.decode()


# Headers


def test_every_request_gets_an_id_of_its_own_whatever_the_client_sends(ask):
    middleware = RequestIdMiddleware(page)
    request = ask(**{"X-Request-ID": CANARY})

    ids = [middleware(request)["X-Request-ID"], middleware(request)["X-Request-ID"]]

    assert [bool(re.fullmatch("[0-9a-f]{32}", each)) for each in ids] == [True, True]
    assert ids[0] != ids[1] == request.id


def test_what_a_person_gets_is_never_cached_and_static_files_may_be(ask):
    middleware = SecurityHeadersMiddleware(page)
    static = RequestFactory().get("/static/connhub.css")

    answers = [middleware(ask()), middleware(static)]

    assert [answer.get("Cache-Control") for answer in answers] == ["no-store", None]
    assert [answer["Cross-Origin-Resource-Policy"] for answer in answers] == ["same-origin"] * 2
    assert [answer["Permissions-Policy"].count("camera=()") for answer in answers] == [1, 1]


# htmx


def test_fragment_is_for_htmx_but_not_when_it_goes_back_in_history(ask):
    plain, htmx = ask(), ask(at="/connections/")
    back = ask(at="/connections/", **{"HX-History-Restore-Request": "true"})

    assert [wants_fragment(request) for request in (plain, htmx, back)] == [False, True, False]


def test_changed_without_htmx_redirects_and_keeps_the_message_for_the_next_page(ask):
    request = ask()

    response = changed(request, "connection", then="/connections/crm/", message="Renamed.")

    assert (response.status_code, response["Location"]) == (303, "/connections/crm/")
    assert [str(each) for each in messages.get_messages(request)] == ["Renamed."]


def test_changed_goes_to_where_a_model_says(ask):
    crm = SimpleNamespace(get_absolute_url=lambda: "/connections/crm/")

    response = changed(ask(), "connection", then=crm)

    assert response["Location"] == "/connections/crm/"


@pytest.mark.parametrize(
    ("at", "then"),
    [
        ("/connections/", "/connections/crm/"),
        ("/connections/?q=c", "/connections/"),
        ("/connections/crm/", "/connections/crm/"),
    ],
)
def test_changed_tells_the_page_that_the_person_stays_on(ask, at, then):
    request = ask(at=at)

    response = changed(request, "connection", then=then, message="Renamed.")

    assert response.status_code == 204
    assert json.loads(response["HX-Trigger"]) == {
        "connection-changed": {},
        "changed": {"what": "connection"},
        "toast": {"text": "Renamed.", "tone": "ok"},
    }
    assert list(messages.get_messages(request)) == []


def test_changed_takes_the_person_up_from_a_page_below(ask):
    request = ask(at="/connections/crm/")

    response = changed(request, "connection", then="connections:list", message="Deleted.")

    assert response["HX-Redirect"] == "/connections/"
    assert [str(each) for each in messages.get_messages(request)] == ["Deleted."]


# Forms


class KeyForm(forms.Form):
    key = SecretField(label="API key", min_length=20)
    pem = SecretField(label="Private key", multiline=True, required=False)


class EverythingForm(forms.Form):
    name = forms.CharField(help_text="As people say it.", widget=forms.TextInput({"class": "mono"}))
    note = forms.CharField(required=False, widget=forms.Textarea)
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)
    scopes = forms.MultipleChoiceField(
        choices=[("api", Described("api", "Read records"))], widget=forms.CheckboxSelectMultiple
    )
    shared = forms.BooleanField(required=False, widget=Switch)
    token = forms.CharField(widget=forms.HiddenInput, required=False)
    groups = [("Reach", "Who may use it.", ["scopes", "shared", "absent"])]


def test_secret_field_never_renders_what_it_was_given():
    typed = {"key": CANARY, "pem": CANARY}
    bound, unbound = KeyForm(typed), KeyForm(initial=typed)
    fields = [form[name] for form in (bound, unbound) for name in typed]

    html = [str(bound), str(unbound)]
    html += [
        draw() for field in fields for draw in (field.as_hidden, field.as_text, field.as_textarea)
    ]

    assert bound.is_valid() is False
    assert [CANARY in each for each in html] == [False] * 14


def test_secret_field_keeps_what_was_typed():
    form = KeyForm({"key": "  twenty characters and blanks ", "pem": "a\r\nb\r\n"})

    assert form.is_valid() is True
    assert form.cleaned_data == {"key": "  twenty characters and blanks ", "pem": "a\nb\n"}


def test_secret_field_with_a_stored_secret_says_so_and_may_stay_blank():
    form = KeyForm({"key": "", "pem": ""})
    form.fields["key"].stored_at = datetime(2026, 3, 3, 12, tzinfo=UTC)

    assert form.is_valid() is True
    assert form["key"].help_text == "Stored on 3 Mar 2026. Leave blank to keep it."
    assert texts(str(form["key"]), "required") == []


def test_secret_field_without_a_stored_secret_is_required():
    form = KeyForm({"key": ""})

    assert form.errors == {"key": ["This field is required."]}


def test_errors_stand_by_the_field_and_once_above_the_form():
    html = str(EverythingForm({"scopes": ["api"]}))

    described = texts(html, r'<input type="text" [^>]*aria-describedby="([^"]+)"')
    assert described == ["id_name_helptext id_name_error"]
    assert texts(html, r'<input type="text" [^>]*aria-invalid="([^"]+)"') == ["true"]
    assert texts(html, r'<p class="error" id="([^"]+)">([^<]+)<') == [
        ("id_name_error", "This field is required."),
        ("id_kind_error", "This field is required."),
    ]
    assert texts(html, r'<li><a href="([^"]+)">([^<]+)</a>') == [
        ("#id_name", "Name"),
        ("#id_kind_0", "Kind"),
    ]


def test_form_without_errors_has_no_summary():
    html = str(EverythingForm())

    assert texts(html, 'role="alert"|class="error"|aria-invalid') == []


def test_fields_stand_in_their_groups_and_those_in_none_come_first():
    html = str(EverythingForm())

    order = texts(html, r'<legend>([^<]+)</legend>|<label for="id_[a-z]+">([^<]+)')
    assert ["".join(each).strip() for each in order] == [
        "Name",
        "Note",
        "Kind",
        "Reach",
        "Scopes",
        "Shared",
    ]


def test_each_kind_of_field_has_its_shape():
    html = str(EverythingForm())

    assert texts(html, r'name="(\w+)"[^>]*class="input ?(\w*)"') == [("name", "mono"), ("note", "")]
    assert texts(html, r'<label class="chip"><input type="radio"[^>]*>(\w)') == ["A", "B"]
    assert texts(html, r"<span>api <small>([^<]+)") == ["Read records"]
    assert texts(html, r'type="checkbox" name="(\w+)" role="switch"') == ["shared"]
    assert texts(html, r'(\w+) <span class="optional">') == ["Note"]


# Tags


def test_action_is_a_link_that_opens_a_pop_up():
    crm = SimpleNamespace(url_key="crm", pk=7)

    html = rendered('{% action "connections:rename" crm "Rename" style="btn" %}', crm=crm)

    assert html.strip() == (
        '<a class="btn" href="/connections/crm/rename/" hx-get="/connections/crm/rename/"'
        ' hx-target="#dialog" aria-haspopup="dialog">Rename</a>'
    )


def test_action_as_an_icon_button_is_named_for_what_it_acts_on():
    html = rendered(
        '{% action "connections:rename" "crm" "Rename" icon="pencil" style="iconbtn" popup=False %}'
    )

    assert html.strip() == (
        '<a class="iconbtn" href="/connections/crm/rename/" aria-label="Rename crm"'
        ' data-tip="Rename"><svg class="icon" aria-hidden="true">'
        '<use href="/static/icons.svg#pencil"/></svg></a>'
    )


def test_action_on_nothing_has_no_argument():
    html = rendered('{% action "connections:list" None "Connections" popup=False %}')

    assert texts(html, 'href="([^"]+)"') == ["/connections/"]


@pytest.mark.parametrize(
    ("before_now", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=2, seconds=59), "2 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=21), "21 days ago"),
        (timedelta(days=30), "20 Oct 2026"),
        (-timedelta(seconds=1), "in a moment"),
        (-timedelta(minutes=46), "in 46 min"),
    ],
)
def test_ago_says_it_in_words_with_the_exact_time_on_hover(time_machine, before_now, words):
    time_machine.move_to(NOW, tick=False)

    html = rendered("{% ago moment %}", moment=NOW - before_now)

    assert texts(html, ">([^<]+)</time>") == [words]


def test_ago_gives_the_exact_time():
    html = rendered("{% ago moment %}", moment=datetime(2026, 3, 3, 9, 5, 7, tzinfo=UTC))

    assert html == (
        '<time datetime="2026-03-03T09:05:07+00:00" title="3 Mar 2026, 09:05:07 UTC">'
        "3 Mar 2026</time>"
    )


def test_ago_of_nothing_is_never():
    html = rendered("{% ago moment %}{% ago moment never='not yet' %}", moment=None)

    assert html == "nevernot yet"


def test_pill_shows_label_and_tone():
    html = rendered("{% pill status %}", status=SimpleNamespace(tone="warn", label="Reconnect"))

    assert html.strip() == '<span class="pill warn">Reconnect</span>'


@pytest.mark.parametrize(
    ("name", "initials"),
    [("Ana Moreau", "AM"), ("ana", "A"), ("Ana de la Cruz", "AC"), ("bo.li@x.example", "BL")],
)
def test_avatar_shows_initials_named_in_full(name, initials):
    class Person(str):
        pk = 7

    html = rendered("{% avatar person %}", person=Person(name))

    assert html == (
        f'<span class="avatar c6" title="{name}" role="img" aria-label="{name}">{initials}</span>'
    )


def test_avatar_escapes_the_name():
    class Person(str):
        pk = 7

    html = rendered("{% avatar person %}", person=Person('<b onclick="x">'))

    assert texts(html, 'title="([^"]+)"') == ["&lt;b onclick=&quot;x&quot;&gt;"]
    assert texts(html, "<b") == []


@pytest.mark.parametrize(
    ("service", "letters", "fill", "ink"),
    [
        ({"name": "Stripe", "colour": "#5b4ee5"}, "St", "#5b4ee5", "#fff"),
        ({"name": "Google Drive", "colour": "#ffe01b"}, "GD", "#ffe01b", "#161a22"),
        ({"name": "HubSpot", "colour": "#000000", "monogram": "Hs"}, "Hs", "#000000", "#fff"),
    ],
)
def test_monogram_is_drawn_without_inline_style(service, letters, fill, ink):
    html = rendered("{% monogram service %}", service=SimpleNamespace(slug="s", **service))

    assert texts(html, r'<rect [^>]*fill="([^"]+)"') == [fill]
    assert texts(html, r'<text [^>]*fill="([^"]+)">([^<]+)<') == [(ink, letters)]
    assert texts(html, "style=") == []


def test_monogram_takes_no_colour_but_a_colour():
    service = SimpleNamespace(slug="s", name="S", colour='#fff"/><script>')

    html = rendered("{% monogram service %}", service=service)

    assert texts(html, "<rect [^>]*(class|fill)=") == ["class"]


def test_sparkline_fits_its_values_into_the_picture():
    html = rendered('{% sparkline values "Calls, 30 days" %}', values=[0, 600, 1200])

    assert texts(html, 'points="([^"]+)"') == ["2.0,20.0 46.0,11.0 90.0,2.0"]
    assert texts(html, 'aria-label="([^"]+)"') == ["Calls, 30 days: 1,800"]


@pytest.mark.parametrize("values", [[], [0], [0, 0]])
def test_sparkline_of_nothing_is_flat(values):
    html = rendered("{% sparkline values %}", values=values)

    assert {y for _, y in texts(html, r"([\d.]+),([\d.]+)")} <= {"20.0"}


def test_bars_say_each_day_and_the_whole_in_words():
    days = [
        {"day": date(2026, 11, 18), "ok": 1200, "failed": 0},
        {"day": date(2026, 11, 19), "ok": 90, "failed": 10},
    ]

    html = rendered("{% bars days %}", days=days)

    assert texts(html, '<p class="sr">([^<]+)<') == [
        "1,300 calls from 18 Nov 2026 to 19 Nov 2026, of which 10 failed."
    ]
    assert texts(html, "<title>([^<]+)<") == [
        "18 Nov: 1,200 calls",
        "19 Nov: 90 calls, 10 more failed",
    ]
    assert len(texts(html, 'class="failed"')) == 1


def test_bars_of_nothing_draw_nothing():
    html = rendered("{% bars days %}", days=[])

    assert html.strip() == ""


def test_heading_repeats_the_title_of_the_page():
    source = (
        '{% extends "ui/bare.html" %}{% block title %}Rename {{ name }}{% endblock %}'
        "{% block main %}<h1>{% heading %}</h1>{% endblock %}"
    )

    html = rendered(source, name="R&D")

    assert texts(html, "<title>([^<]+)<") == ["Rename R&amp;D · ConnHub"]
    assert texts(html, "<h1>([^<]+)<") == ["Rename R&amp;D"]


# The shell


@pytest.mark.django_db
def test_navigation_has_only_what_exists_and_is_for_the_person(ask, monkeypatch, eve, ada):
    monkeypatch.setattr(
        context, "counted", {"connections:list": lambda request: User.objects.all()}
    )
    monkeypatch.setattr(context, "audiences", {"accounts:people": lambda request: False})

    sections = context.navigation(ask(method="get"))

    entries = [(each.label, each.url, each.count) for part in sections for each in part.entries]
    assert entries == [("Connections", "/connections/", "2")]


@pytest.mark.parametrize(
    ("url", "current"),
    [("/connections/crm/", ["Connections"]), ("/people/", ["People"]), ("/profile/", [])],
)
def test_navigation_marks_the_section_the_page_is_in(ask, monkeypatch, url, current):
    monkeypatch.setattr(context, "counted", {})
    monkeypatch.setattr(context, "audiences", {})

    sections = context.navigation(ask(url, method="get"))

    marked = [each.label for part in sections for each in part.entries if each.is_current]
    assert marked == current


@pytest.mark.django_db
def test_navigation_counts_everything_in_one_query(ask, monkeypatch, django_assert_num_queries):
    everybody = {
        name: lambda request: User.objects.all() for name in ("connections:list", "accounts:people")
    }
    monkeypatch.setattr(context, "counted", everybody)
    monkeypatch.setattr(context, "audiences", {})

    with django_assert_num_queries(1):
        context.navigation(ask(method="get"))


def test_shell_asks_for_no_count_until_a_page_shows_it(ask, monkeypatch):
    monkeypatch.setattr(context, "counted", {"connections:list": lambda request: 1 / 0})

    shell = context.shell(ask(method="get"))

    with pytest.raises(ZeroDivisionError):
        list(shell["nav"])


# What the Content-Security-Policy asks of every template


def test_templates_have_no_inline_style_script_or_handler():
    inline = re.compile(
        r"<style|\sstyle=\"[^\"]*:|<script(?![^>]*\bsrc=)|\son[a-z]+=|hx-on|javascript:"
    )

    found = [
        (file.name, text)
        for file in TEMPLATES.rglob("*.html")
        for text in inline.findall(file.read_text())
    ]

    assert found == []


def test_every_icon_that_a_template_names_is_drawn():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    named = {
        name
        for file in TEMPLATES.rglob("*.html")
        for name in re.findall(r'(?:{% icon |icon=)"([^"]+)"', file.read_text())
    }
    shown = {icon for _, rows in context.NAVIGATION for _, _, icon in rows}

    assert (named | shown) - drawn == set()
