"""FEATURES D3: keys are made, rotated and retired by commands and on a page, all on record."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import proof, resealing, tasks, vault_keys
from connhub.audit.models import Event, Head
from connhub.audit.verify import verify
from connhub.connections.models import Connection, Credential, Status
from connhub.vault import keyring, startup
from connhub.vault.keyring import generate_entry
from connhub.vault.models import KeyCheck, KeyRotation
from tests.conftest import CANARY
from tests.factories import connect

PAGE, ROTATE = reverse("accounts:vault_keys"), reverse("accounts:rotate_vault_keys")
OLD = generate_entry()
OLD_ID = OLD[:8]
UNREADABLE = "The stored credential can't be opened. Reconnect, or restore the missing key."


@pytest.fixture(autouse=True)
def file(db, settings, tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"{OLD}\n")
    path.chmod(0o600)
    settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = OLD, str(path)
    KeyCheck.objects.all().delete()
    startup.check_keys()
    return path


@pytest.fixture
def connections(connection, ada):
    method = connection.auth_method
    return [connection, connect(ada, method=method, name="Other", link_name="other")]


def primary() -> str:
    return keyring.ring().primary.id.hex()


def poison(connection):
    Credential.objects.filter(connection=connection).update(payload=b"\x01\x00\x00\x00\x00" * 9)


def rest():
    """As if the primary key had been that for long."""
    KeyCheck.objects.update(made_at=timezone.now() - timedelta(hours=1))


def on_record(kind="vault_key"):
    return [
        (event.actor, event.action, event.object, event.outcome, event.detail)
        for event in Event.objects.filter(kind=kind).order_by("sequence")
    ]


# --- rotate_keys ------------------------------------------------------------------------------------


def test_a_new_key_takes_over_and_the_old_one_can_go(connections, file, capsys):
    changes = Head.objects.get().changes
    call_command("rotate_keys", "--new")
    rest()
    call_command("retire_key", OLD_ID)

    new = primary()
    said = capsys.readouterr().out
    assert said.startswith(f"Key {new} is the primary key now.\n")
    assert "2 of 2 values sealed anew.\n" in said
    assert f"Key {OLD_ID} is retired." in said
    assert [entry[:15] for entry in file.read_text().split()] == [
        file.read_text()[:15],
        f"{OLD_ID}:audit:",
    ]
    assert connections[0].credentials.get().payload.open().reveal() == {"key_1": CANARY}
    assert on_record() == [
        ("ConnHub", "vault_key.made", new, "ok", {}),
        ("ConnHub", "vault_key.rotation_started", new, "ok", {"said": "2 values"}),
        ("ConnHub", "vault_key.rotation_ended", new, "ok",
         {"said": "2 of 2 values sealed anew"}),
        ("ConnHub", "vault_key.retired", OLD_ID, "ok", {}),
    ]  # fmt: skip
    assert verify().problem == ""
    assert Head.objects.get().changes == changes  # no route is looked up anew for it


def test_without_anything_to_do_it_says_so(connections, capsys):
    call_command("rotate_keys")

    assert capsys.readouterr().out == "Everything is sealed with the primary key already.\n"
    assert not KeyRotation.objects.exists()


def test_where_the_environment_holds_the_keys_none_can_be_made(settings, connections):
    settings.CONNHUB_KEYS_FILE = ""

    with pytest.raises(CommandError, match="CONNHUB_KEYS in the environment") as refused:
        call_command("rotate_keys", "--new")

    assert refused.value.returncode == 2


def test_where_the_file_cannot_be_replaced_nothing_changes(settings, connections, file):
    settings.CONNHUB_KEYS_FILE = str(file.parent / "elsewhere" / "keys")

    with pytest.raises(CommandError, match="can't be replaced") as refused:
        call_command("rotate_keys", "--new")

    assert refused.value.returncode == 2
    assert on_record() == []


def test_the_wrong_keys_are_refused_before_anything_is_written(settings, connections):
    settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = generate_entry(), ""

    with pytest.raises(CommandError, match="holds none of the keys") as refused:
        call_command("rotate_keys")

    assert refused.value.returncode == 2


def test_one_that_was_broken_off_goes_on_where_it_was(connections, monkeypatch):
    vault_keys.make_primary()
    run = vault_keys.start()
    monkeypatch.setattr("connhub.vault.rotation.BATCH", 1)

    assert not resealing.work(run, for_s=0)
    assert vault_keys.start() == run
    call_command("rotate_keys")

    run.refresh_from_db()
    assert (run.resealed, run.unreadable) == (2, 0)
    assert run.ended_at
    assert KeyRotation.objects.count() == 1


def test_several_at_once_end_once(connections):
    vault_keys.make_primary()
    run, same = vault_keys.start(), vault_keys.start()

    assert resealing.work(run)
    assert resealing.work(same)

    assert [action for _, action, *_ in on_record()].count("vault_key.rotation_ended") == 1


# --- Poisoned rows (D4) -----------------------------------------------------------------------------


def test_a_poisoned_row_is_told_skipped_and_a_status(client, connections, capsys, root, ada):
    billing, other = connections
    poison(billing)

    with pytest.raises(SystemExit) as ended:
        call_command("rotate_keys", "--new")

    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "1 of 2 values sealed anew, 1 can't be opened.\n" in said.out
    assert "  Credentials of connections: Billing (key 00000000 is missing)\n" in said.err
    assert other.credentials.get().payload.key_id == primary()
    assert Connection.objects.get(pk=billing.pk).status == Status.FAILING
    assert billing.credentials.get().last_error == UNREADABLE
    assert on_record("connection")[-1] == (
        "ConnHub", "connection.secret_unreadable", "Billing", "failed", {},
    )  # fmt: skip
    client.force_login(ada)
    assert UNREADABLE.replace("'", "&#x27;") in client.get(billing.get_absolute_url()).text
    client.force_login(root)
    page = client.get(PAGE).text
    assert f'<a class="link" href="{billing.get_absolute_url()}">Billing</a>' in page
    assert "Key 00000000 is missing" in page


def test_it_is_told_once_however_often_it_is_found(connections):
    poison(connections[0])
    for _ in range(2):
        with pytest.raises(SystemExit):
            call_command("rotate_keys", "--new")

    actions = [action for _, action, *_ in on_record("connection")]
    assert actions.count("connection.secret_unreadable") == 1


def test_once_its_key_is_back_it_works_again(connections, file):
    """An operator lost the old key, and found it."""
    file.write_text(f"{generate_entry()}\n{OLD}\n")
    kept = file.read_text().split()
    Credential.objects.filter(connection=connections[0]).update(
        payload=b"\x01" + bytes.fromhex("ffffffff") + b"0" * 40
    )
    lost = generate_entry()
    billing = connections[0].credentials.get()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyring, "ring", lambda: keyring.parse(lost))
        billing.payload.put({"key_1": CANARY})
        billing.save()
    with pytest.raises(SystemExit):
        call_command("rotate_keys")

    file.write_text("\n".join([*kept, lost]))
    call_command("rotate_keys")

    billing.refresh_from_db()
    assert (billing.status, billing.last_error) == (Status.CONNECTED, "")
    assert on_record("connection")[-1][1:] == ("connection.secret_readable", "Billing", "ok", {})


# --- retire_key -------------------------------------------------------------------------------------


def refusal_of(key_id) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("retire_key", key_id)
    assert refused.value.returncode == 2
    return str(refused.value)


def test_a_key_that_something_names_is_not_retired(connections, file):
    vault_keys.make_primary()
    rest()
    before = file.read_text()

    assert refusal_of(OLD_ID) == (
        f"Key {OLD_ID} still seals values. Credentials of connections: 2."
    )
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("key_id", "why"),
    [
        (OLD_ID, "It is the primary key, which seals everything new."),
        ("ffffffff", "The key ring holds no key of that id that could be retired."),
        ("nonsense", "The key ring holds no key of that id that could be retired."),
    ],
    ids=["primary", "unknown", "nonsense"],
)
def test_what_cannot_be_retired_is_said(file, key_id, why):
    before = file.read_text()

    assert refusal_of(key_id).startswith(why)
    assert file.read_text() == before


def test_what_is_on_its_way_is_waited_for(connections, file):
    call_command("rotate_keys", "--new")

    assert refusal_of(OLD_ID).startswith("It sealed until a moment ago")


def test_who_seals_with_it_at_that_moment_keeps_it(connections, file, monkeypatch):
    call_command("rotate_keys", "--new")
    rest()
    before = file.read_text()
    change = vault_keys._change_file

    def late(how):
        changed = change(how)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keyring, "ring", lambda: keyring.parse(OLD))
            credential = connections[0].credentials.get()
            credential.payload.put({"key_1": "late"})
            credential.save()
        return changed

    monkeypatch.setattr(vault_keys, "_change_file", late)

    assert "still seals values" in refusal_of(OLD_ID)
    assert file.read_text() == before


def test_in_the_environment_it_says_what_takes_its_place(settings, connections, file, capsys):
    call_command("rotate_keys", "--new")
    rest()
    settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = file.read_text(), ""
    capsys.readouterr()

    call_command("retire_key", OLD_ID.upper())

    said = capsys.readouterr()
    assert said.out == f"{keyring.retired_entry(keyring.parse(OLD).primary)}\n"
    assert "restart every process" in said.err
    assert KeyCheck.objects.filter(pk=OLD_ID).exists()


# --- The page ---------------------------------------------------------------------------------------


@pytest.fixture
def enqueued(monkeypatch):
    found = []
    monkeypatch.setattr(tasks, "go_on_rotating", lambda: found.append(1))
    return found


def test_the_page_rotates_in_the_background_and_shows_how_far_it_is(
    client, root, connections, enqueued, monkeypatch
):
    vault_keys.make_primary()
    client.force_login(root)
    assert "2 values are sealed with another key than the primary." in client.get(PAGE).text

    response = client.post(ROTATE)

    assert (response.status_code, response.url) == (303, PAGE)
    assert enqueued == [1]
    monkeypatch.setattr("connhub.vault.rotation.BATCH", 1)
    resealing.work(KeyRotation.objects.get(), for_s=0)
    fragment = client.get(PAGE, headers={"HX-Request": "true"}).text
    assert "<b>1 of 2 sealed anew…</b>" in fragment
    assert 'hx-trigger="load delay:2s"' in fragment
    resealing.work(KeyRotation.objects.get())
    over = client.get(PAGE).text
    assert "2 of 2 values sealed anew." in over
    assert "hx-trigger" not in over.partition('id="vault-keys"')[2].partition(">")[0]
    assert on_record()[1][0] == "Root"


def test_the_page_shows_ids_counts_and_no_key(client, root, connections, file):
    vault_keys.make_primary()
    client.force_login(root)

    page = client.get(PAGE)

    table = page.context["table"]
    assert [(key.id, key.standing.label, key.total) for key in table.keys] == [
        (primary(), "Primary", 0),
        (OLD_ID, "Opens only", 2),
    ]
    assert not [entry for entry in file.read_text().split() if entry.partition(":")[2] in page.text]


def test_nothing_to_rotate_is_refused(client, root, connections, enqueued):
    client.force_login(root)

    assert client.post(ROTATE).status_code == 409
    assert enqueued == []


@pytest.mark.parametrize("who", ["ada", "eve"])
def test_the_page_is_for_super_admins(client, request, who):
    client.force_login(request.getfixturevalue(who))

    assert client.get(PAGE).status_code == 403
    assert client.post(ROTATE).status_code == 403


def test_a_rotation_asks_who_it_is_after_ten_minutes(client, root, connections, enqueued):
    vault_keys.make_primary()
    client.force_login(root)
    session = client.session
    session[proof.AT] = 0
    session.save()

    client.post(ROTATE)

    assert (enqueued, KeyRotation.objects.count()) == ([], 0)


def test_the_page_asks_as_much_of_three_keys_as_of_one(
    client, root, connections, django_assert_max_num_queries
):
    for _ in range(3):
        vault_keys.make_primary()
    client.force_login(root)

    with django_assert_max_num_queries(20):
        client.get(PAGE)


@pytest.mark.parametrize(
    ("heard_of", "goes_on"), [(timedelta(minutes=1), True), (timedelta(), False)]
)
def test_the_worker_goes_on_with_one_that_was_left(connections, heard_of, goes_on, enqueued):
    vault_keys.make_primary()
    run = vault_keys.start()
    KeyRotation.objects.filter(pk=run.pk).update(heard_of_at=timezone.now() - heard_of)

    tasks.look_after_keys.call_local()

    assert enqueued == [1] * goes_on
