import re
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from connhub.audit.context import NOWHERE
from connhub.audit.models import Event
from connhub.connections.bundles import document, imports
from connhub.connections.bundles.models import Import
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.vault import passphrase
from tests.conftest import CANARY
from tests.connections.bundles.conftest import PASSPHRASE
from tests.connections.steps import actions, enter_password_again, secrets
from tests.factories import PASSWORD, connect

pytestmark = pytest.mark.django_db

EXPORT, IMPORT = "/connections/export/", "/connections/import/"
WHOLE = {"what": "all", "secrets": "on", "sealed_by": "own", "own": PASSPHRASE, "again": PASSPHRASE}


@pytest.fixture
def signed_in(client, ada):
    """With the password entered once more."""
    client.force_login(ada)
    enter_password_again(client)
    return client


@pytest.fixture(autouse=True)
def enqueued(monkeypatch):
    """What was handed to the worker."""
    found = []
    monkeypatch.setattr(
        "connhub.connections.tasks.enqueue_import", lambda *what: found.append(what)
    )
    return found


def content(answer) -> document.Bundle:
    return document.read(passphrase.open_file(answer.content, PASSPHRASE))


def post_export(client, **more):
    return client.post(EXPORT, WHOLE | more)


def upload(client, file, sealed_under=PASSPHRASE):
    given = {"file": SimpleUploadedFile("x.connhub", file), "passphrase": sealed_under}
    return client.post(IMPORT, given)


def confirm(client, row, callbacks, **form):
    """Decide, look at the preview, then import it as it was shown."""
    given = {"existing": "keep", "tags": ""} | form
    client.post(row.get_absolute_url(), given)
    seen = client.get(row.get_absolute_url()).context["seen"]
    given |= {"apply": "1", "seen": seen}
    with callbacks(execute=True):
        return client.post(row.get_absolute_url(), given)


# --- Export ---------------------------------------------------------------------------------------


def test_export_is_a_download_that_no_cache_keeps(signed_in, keyed):
    answer = post_export(signed_in)

    assert answer.status_code == 200
    assert re.fullmatch(
        r'attachment; filename="connections-[\d-]+\.connhub"', answer["Content-Disposition"]
    )
    assert answer["Cache-Control"] == "no-store"
    assert [item.link_name for item in content(answer).items] == ["keyed"]


def test_each_exported_connection_is_on_record_with_the_names_of_its_secrets(signed_in, keyed):
    post_export(signed_in)

    event = Event.objects.about(keyed)[0]
    assert (event.action, event.fields, event.detail) == (
        "connection.exported", ["key_1"], {"secrets": True},
    )  # fmt: skip


def test_export_without_secrets_holds_none(signed_in, keyed):
    answer = post_export(signed_in, secrets="")

    opened = passphrase.open_file(answer.content, PASSPHRASE)
    assert CANARY.encode() not in opened
    assert document.read(opened).items[0].credentials == []


def test_export_under_the_passphrase_that_the_page_made(signed_in, keyed):
    shown = signed_in.get(EXPORT).context["form"]

    answer = post_export(
        signed_in, sealed_by="made", own="", again="", offered=shown.initial["offered"]
    )

    assert passphrase.open_file(answer.content, shown.given_out).startswith(b"{")


def test_a_made_passphrase_stays_when_the_form_comes_back(signed_in, keyed):
    shown = signed_in.get(EXPORT).context["form"]

    again = post_export(
        signed_in, sealed_by="made", what="nonsense", offered=shown.initial["offered"]
    )

    assert (again.status_code, again.context["form"].given_out) == (422, shown.given_out)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("own", {"own": "thirteen char", "again": "thirteen char"}),
        ("again", {"again": "another passphrase"}),
        ("what", {"what": "everything"}),
        ("link_names", {"what": "these", "link_names": ""}),
        ("link_names", {"what": "these", "link_names": "UPPER"}),
    ],
)
def test_export_says_what_is_wrong_and_exports_nothing(signed_in, keyed, field, given):
    answer = post_export(signed_in, **given)

    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert "connection.exported" not in actions(keyed)


def test_export_wants_a_recent_password(signed_in, keyed):
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        asked = post_export(signed_in)
        proof = {"proof-held": asked.context["held"], "proof-password": PASSWORD}
        answer = signed_in.post(EXPORT, proof)

    assert asked.templates[0].name == "accounts/reauthenticate.html"
    assert [item.link_name for item in content(answer).items] == ["keyed"]


@pytest.mark.parametrize("secrets", ["on", ""])
def test_a_sign_in_is_no_password_entered_again(client, ada, keyed, secrets):
    client.post(reverse("accounts:sign_in"), {"username": ada.email, "password": PASSWORD})

    asked = post_export(client, secrets=secrets)
    wrong = client.post(
        EXPORT, {"proof-held": asked.context["held"], "proof-password": "a wrong one"}
    )
    before = actions(keyed)
    answer = client.post(EXPORT, {"proof-held": wrong.context["held"], "proof-password": PASSWORD})

    assert [page.templates[0].name for page in (asked, wrong)] == [
        "accounts/reauthenticate.html"
    ] * 2
    assert "connection.exported" not in before
    assert [item.link_name for item in content(answer).items] == ["keyed"]


def test_export_of_what_the_listing_shows(signed_in, ada, keyed, connection):
    answer = signed_in.post(EXPORT + "?q=bill", WHOLE | {"what": "shown"})

    assert [item.link_name for item in content(answer).items] == ["billing"]


def test_export_of_a_selection_that_another_page_posts(signed_in, keyed, connection):
    asked = signed_in.post(EXPORT, {"link_name": ["keyed"]})
    answer = post_export(signed_in, what="these", link_names="keyed")

    assert (asked.status_code, asked.context["form"]["what"].value()) == (200, "these")
    assert asked.context["form"]["link_names"].value() == "keyed"
    assert [item.link_name for item in content(answer).items] == ["keyed"]


@pytest.mark.parametrize(("who", "status"), [("bob", 404), ("root", 403)])
def test_nobody_exports_what_they_do_not_administer(request, client, keyed, who, status):
    client.force_login(request.getfixturevalue(who))
    enter_password_again(client)

    one = post_export(client, what="these", link_names="keyed")
    whole = post_export(client)

    assert (one.status_code, whole.status_code) == (status, 409)
    assert "connection.exported" not in actions(keyed)


def test_super_admin_exports_after_sharing_it_to_themself(client, root, keyed):
    roles.grant(keyed, root, by=root)
    client.force_login(root)
    enter_password_again(client)

    assert [item.link_name for item in content(post_export(client)).items] == ["keyed"]


def test_nothing_is_handed_out_that_is_not_on_record(signed_in, keyed, monkeypatch):
    def fail(events, change):
        from django.db import DatabaseError

        raise DatabaseError

    monkeypatch.setattr("connhub.audit.log._append_all", fail)

    assert post_export(signed_in).status_code == 503


# --- Import ---------------------------------------------------------------------------------------


def test_upload_leads_to_a_preview_that_changes_nothing(signed_in, keyed, export):
    answer = upload(signed_in, export())

    row = Import.objects.get()
    page = signed_in.get(answer.url)
    assert (answer.status_code, answer.url) == (303, row.get_absolute_url())
    assert (page.status_code, CANARY in page.content.decode()) == (200, False)
    assert (Connection.objects.count(), row.phase) == (1, "looked_at")


def test_what_waits_for_a_decision_is_sealed(signed_in, keyed, export):
    upload(signed_in, export())

    stored = Import.objects.values().get()
    assert CANARY not in str(stored)
    assert b"keyed" not in bytes(Import.objects.get().content.ciphertext)


@pytest.mark.parametrize("who", ["bob", "root"])
def test_an_import_is_seen_by_its_owner_alone(request, signed_in, client, keyed, export, who):
    answer = upload(signed_in, export())
    client.force_login(request.getfixturevalue(who))

    assert [client.get(answer.url).status_code, client.post(answer.url).status_code] == [404, 404]


def test_an_import_is_gone_after_an_hour(signed_in, keyed, export):
    answer = upload(signed_in, export())
    Import.objects.update(expires_at="2020-01-01T00:00:00Z")

    assert signed_in.get(answer.url).status_code == 404
    imports.forget_expired()
    assert not Import.objects.exists()


def test_import_adds_under_a_new_link_name_and_says_so(
    signed_in, ada, keyed, export, enqueued, django_capture_on_commit_callbacks
):
    upload(signed_in, export())
    row = Import.objects.get()

    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="add", tags="moved, twice")
    imports.run(*enqueued[0])

    made = Connection.objects.get(link_name="keyed_2")
    row.refresh_from_db()
    assert (row.phase, row.outcome, bool(row.content)) == (
        "done", "1 added, 0 replaced, 0 left out.", False,
    )  # fmt: skip
    assert (made.tags, made.created_by, secrets(made.credentials.get())) == (
        ["a", "moved", "twice"], ada, {"key_1": CANARY},
    )  # fmt: skip
    assert actions(made) == ["connection.imported"]
    assert "1 added" in signed_in.get(row.get_absolute_url()).content.decode()


def test_choice_for_a_single_one_goes_before_that_for_all(
    signed_in, keyed, connection, export, enqueued, django_capture_on_commit_callbacks
):
    upload(signed_in, export())
    row = Import.objects.get()

    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="keep", choice_keyed="add")
    imports.run(*enqueued[0])

    assert set(Connection.objects.values_list("link_name", flat=True)) == {
        "billing", "keyed", "keyed_2",
    }  # fmt: skip


def test_progress_is_told_page_and_fragment(
    signed_in, keyed, export, django_capture_on_commit_callbacks
):
    upload(signed_in, export())
    row = Import.objects.get()
    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="add")

    page = signed_in.get(row.get_absolute_url())
    fragment = signed_in.get(row.get_absolute_url(), headers={"HX-Request": "true"})

    assert "Waiting for its turn" in page.content.decode()
    assert fragment.content.decode().lstrip().startswith('<div id="progress"')
    again = signed_in.post(row.get_absolute_url(), {"existing": "add", "apply": "1"})
    assert again.status_code == 409


def test_what_changed_since_the_preview_stops_the_import(
    signed_in, keyed, export, enqueued, django_capture_on_commit_callbacks
):
    upload(signed_in, export())
    row = Import.objects.get()
    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="replace")
    Connection.objects.update(version=7)

    imports.run(*enqueued[0])

    row.refresh_from_db()
    page = signed_in.get(row.get_absolute_url()).content.decode()
    assert (row.phase, "Something changed here since the preview" in page) == ("failed", True)
    assert actions(keyed)[-1] == "connection.exported"


def test_a_file_can_be_forgotten(signed_in, keyed, export):
    answer = upload(signed_in, export())

    signed_in.post(answer.url, {"drop": "1"})

    assert not Import.objects.exists()


def test_a_forgotten_import_is_not_applied(
    signed_in, keyed, export, enqueued, django_capture_on_commit_callbacks
):
    answer = upload(signed_in, export())
    row = Import.objects.get()
    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="add")

    signed_in.post(answer.url, {"drop": "1"})
    imports.run(*enqueued[0])

    assert Connection.objects.count() == 1


def test_a_started_import_runs_once(
    signed_in, keyed, export, enqueued, django_capture_on_commit_callbacks
):
    upload(signed_in, export())
    confirm(signed_in, Import.objects.get(), django_capture_on_commit_callbacks, existing="add")

    for _ in range(2):
        imports.run(*enqueued[0])

    assert Connection.objects.count() == 2


@pytest.mark.parametrize(
    "file",
    [b"", b"anything at all, but no file of ours" * 9, b"\0" * (10 * 2**20 + 1)],
    ids=["empty", "no-bundle", "too-large"],
)
def test_what_is_no_bundle_is_refused_next_to_its_field(signed_in, file):
    answer = upload(signed_in, file, PASSPHRASE)

    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["file"])
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("cut", "typed", "field"),
    [
        (None, "another passphrase", "passphrase"),
        (-1, PASSPHRASE, "passphrase"),
        (None, PASSPHRASE, "file"),
    ],
    ids=["wrong-passphrase", "cut-off", "no-content"],
)
def test_a_bundle_that_can_not_be_read_is_refused_next_to_its_field(signed_in, cut, typed, field):
    answer = upload(signed_in, passphrase.seal_file(b"{}", PASSPHRASE)[:cut], typed)

    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert not Import.objects.exists()


def test_wrong_passphrases_are_throttled_before_any_work(signed_in, ada, monkeypatch):
    file = passphrase.seal_file(b"{}", PASSPHRASE)
    for _ in range(imports.TRIES):
        upload(signed_in, file, "another passphrase")
    monkeypatch.setattr(passphrase, "_cipher", None)

    assert upload(signed_in, file).status_code == 429
    assert Event.objects.filter(action="import.refused", outcome="failed").count() == 10


def test_the_preview_takes_as_many_queries_for_many_as_for_one(
    signed_in, ada, keyed, export, django_assert_max_num_queries
):
    for number in range(12):
        connect(ada, method=keyed.auth_method, link_name=f"more_{number}", name=f"More {number}")
    answer = upload(signed_in, export())

    with django_assert_max_num_queries(24):
        page = signed_in.get(answer.url)

    assert len(page.context["shown"]) == 13


def test_choices_are_kept_from_page_to_page(signed_in, ada, keyed, export, monkeypatch):
    connect(ada, method=keyed.auth_method, link_name="second", name="Second")
    monkeypatch.setattr("connhub.connections.views.bundling.PER_PAGE", 1)
    url = upload(signed_in, export()).url

    first = signed_in.get(url).context["shown"][0][0].item.link_name
    moved = signed_in.post(
        url, {"existing": "keep", "tags": "", f"choice_{first}": "add", "page": "2"}
    )
    signed_in.post(url + "?page=2", {"existing": "keep", "tags": "x", "look": "1"})

    row = Import.objects.get()
    assert moved.url == "?page=2"
    assert (row.decisions["single"], row.decisions["tags"]) == ({first: "add"}, ["x"])


def test_listing_leads_to_export_and_import(signed_in, keyed):
    page = signed_in.get(reverse("connections:list") + "?q=key").content.decode()

    assert [f'href="{url}"' in page for url in (EXPORT, IMPORT, EXPORT + "?q=key")] == [True] * 3


def test_run_of_an_import_that_is_gone_does_nothing(db):
    imports.run("00000000-0000-0000-0000-000000000000", 1, NOWHERE)

    assert not Event.objects.exists()


@pytest.mark.parametrize("phase", ["waiting", "checking", "writing"])
def test_an_import_that_nobody_works_on_can_be_started_again(
    signed_in, keyed, export, enqueued, django_capture_on_commit_callbacks, phase
):
    upload(signed_in, export())
    row = Import.objects.get()
    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="add")
    long_ago = timezone.now() - imports.UNATTENDED - timedelta(seconds=1)
    Import.objects.update(phase=phase, heard_of_at=long_ago)

    page = signed_in.get(row.get_absolute_url())
    confirm(signed_in, row, django_capture_on_commit_callbacks, existing="add")
    for each in enqueued:
        imports.run(*each)

    assert "It stopped on the way." in page.content.decode()
    assert Connection.objects.count() == 2


def test_choices_whose_outcome_was_not_shown_import_nothing_yet(signed_in, keyed, export, enqueued):
    url = upload(signed_in, export()).url
    seen = signed_in.get(url).context["seen"]

    given = {"existing": "replace", "tags": "", "apply": "1", "seen": seen}
    page = signed_in.post(url, given, follow=True)

    row = Import.objects.get()
    assert (row.phase, row.decisions["existing"], enqueued) == ("looked_at", "replace", [])
    assert "Your choices change what happens." in page.content.decode()
