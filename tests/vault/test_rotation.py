"""SECURITY 1.6: everything is sealed anew under another key, whatever is written meanwhile."""

import pytest
from django.db import connection as database
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from connhub.connections.models import Credential
from connhub.services.models import OAuthApp
from connhub.vault import counting, keyring, rotation
from connhub.vault.keyring import KeyMissing, Tampered, generate_entry
from connhub.vault.models import KeyCheck, KeyRotation
from tests.factories import AuthMethodFactory, ServiceFactory, connect

OLD, NEW = generate_entry(), generate_entry()
OLD_ID, NEW_ID = OLD[:8], NEW[:8]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@pytest.fixture
def ring(settings):
    """Puts the keys in force, the first of them primary."""

    def load(*entries):
        settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = "\n".join(entries), ""

    load(OLD)
    return load


@pytest.fixture
def three(db, ring, ada):
    method = AuthMethodFactory()
    return [
        connect(ada, method=method, name=f"C{n}", link_name=f"c{n}", secret=f"secret-{n}")
        for n in range(3)
    ]


def rotate():
    run = KeyRotation.objects.create(total=rotation.count_left(), heard_of_at=timezone.now())
    batches = list(rotation.one_pass(run))
    run.refresh_from_db()
    assert run.resealed == sum(batch.resealed for batch in batches)
    return batches


def secrets():
    return [
        credential.payload.open().reveal()
        for credential in Credential.objects.order_by("connection__link_name")
    ]


def test_everything_is_sealed_anew_and_nothing_names_the_old_key(three, ring):
    before = Credential.objects.values_list("pk", "payload_version")
    versions = dict(before)
    ring(NEW, OLD)

    (batch,) = rotate()

    assert (batch.resealed, batch.unreadable) == (3, [])
    assert rotation.named_by(OLD_ID) == {}
    assert rotation.count_left() == 0
    assert dict(before.all()) == versions
    ring(NEW)
    assert secrets() == [{"key_1": f"secret-{n}"} for n in range(3)]


def test_every_sealed_field_of_the_house_is_known_with_words_for_it():
    assert {kind.label: bool(kind.field.kind) for kind in rotation.kinds()} == {
        "accounts.Letter.body": True,
        "accounts.SecondFactor.seed": True,
        "services.OAuthApp.client_secret": True,
        "connections.Authorization.verifier": True,
        "connections.Authorization.grant": True,
        "connections.Import.content": True,
        "connections.Rotation.slot": True,
        "connections.Telling.values": True,
        "connections.Credential.payload": True,
    }


def test_a_second_time_there_is_nothing_to_do(three, ring):
    ring(NEW, OLD)
    rotate()
    stored = list(Credential.objects.values_list("payload", flat=True))

    assert rotate() == []
    assert list(Credential.objects.values_list("payload", flat=True)) == stored


def test_who_writes_meanwhile_wins(three, ring):
    """A renewal keeps its tokens by the version it read, and that does not move."""
    credential = three[0].credentials.get()
    version = credential.payload_version
    ring(NEW, OLD)
    credential.payload.put({"key_1": "renewed"})
    rotate()

    stored = Credential.objects.filter(pk=credential.pk, payload_version=version).update(
        payload=credential.payload.ciphertext, payload_version=credential.payload_version
    )

    assert stored == 1
    assert secrets()[0] == {"key_1": "renewed"}


@pytest.mark.django_db
def test_a_row_that_changed_after_it_was_read_is_not_overwritten(three, ring):
    kind = rotation.kind_named("connections.Credential.payload")
    stale = three[0].credentials.get()
    ring(NEW, OLD)
    anew = stale.payload.sealed_anew()
    fresh = three[0].credentials.get()
    fresh.payload.put({"key_1": "newer"})
    fresh.save()

    assert rotation._replace(kind, stale, anew) == 0
    assert secrets()[0] == {"key_1": "newer"}


@pytest.mark.parametrize("spoil", ["change", "swap", "lose the key", "cut"])
def test_a_poisoned_row_is_skipped_and_told(three, ring, spoil):
    poisoned, other = three[1].credentials.get(), three[2].credentials.get()
    stored = bytes(poisoned.payload.ciphertext)
    if spoil == "swap":
        stored = bytes(other.payload.ciphertext)
    elif spoil == "lose the key":
        stored = b"\x01\xff\xff\xff\xff" + stored[5:]
    elif spoil == "cut":
        stored = stored[:9]
    else:
        stored = stored[:-1] + bytes([stored[-1] ^ 1])
    Credential.objects.filter(pk=poisoned.pk).update(payload=stored)
    ring(NEW, OLD)

    (batch,) = rotate()

    assert batch.resealed == 2
    assert [row.pk for _, row in batch.unreadable] == [poisoned.pk]
    assert bytes(Credential.objects.values_list("payload", flat=True).get(pk=poisoned.pk)) == stored
    assert rotation.count_left() == 1


def test_many_poisoned_rows_block_nothing(three, ring, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 1)
    Credential.objects.exclude(connection=three[2]).update(payload=b"\x01\x00\x00\x00\x00nonsense")
    ring(NEW, OLD)

    batches = rotate()

    assert [(batch.resealed, len(batch.unreadable)) for batch in batches].count((0, 1)) == 2
    assert three[2].credentials.get().payload.key_id == NEW_ID


@hypothesis(max_examples=20, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["put", "rotate", "new key", "clear"]), max_size=8), value=values
)
def test_whatever_is_put_and_rotated_in_whatever_order_opens_as_it_was(steps, value):
    """In memory alone: a value comes back through any number of keys, and under the last alone."""
    app, entries, kept = OAuthApp(), [generate_entry()], None

    def opened():
        return app.client_secret.open().reveal()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyring, "ring", lambda: keyring.parse("\n".join(entries)))
        for step in ["put", *steps]:
            if step == "put":
                app.client_secret.put(value)
                kept = True
            elif step == "new key":
                entries.insert(0, generate_entry())
            elif step == "clear":
                app.client_secret.clear()
                kept = False
            elif kept:
                app.client_secret = app.client_secret.sealed_anew()
            assert (opened() == value) if kept else not app.client_secret
        if kept:
            app.client_secret = app.client_secret.sealed_anew()
            entries[1:] = []
            assert opened() == value
            entries[:] = [generate_entry()]
            with pytest.raises(KeyMissing):
                app.client_secret.sealed_anew()


def test_the_old_version_does_not_come_back_with_the_new_key(three, ring):
    credential = three[0].credentials.get()
    before = credential.payload.ciphertext
    credential.payload.put({"key_1": "new"})
    ring(NEW, OLD)
    credential.payload = before

    with pytest.raises(Tampered):
        credential.payload.sealed_anew()


def test_counts_by_kind_and_key_take_one_query_for_each_kind(
    three, ring, django_assert_num_queries
):
    OAuthApp.objects.create(service=ServiceFactory(), client_id="x")
    ring(NEW, OLD)
    connected = three[0].credentials.get()
    connected.payload.put({})
    connected.save()

    with django_assert_num_queries(len(rotation.kinds())):
        counted = rotation.count_by_key()

    assert {kind.label: dict(counts) for kind, counts in counted.items()} == {
        "connections.Credential.payload": {OLD_ID: 2, NEW_ID: 1}
    }


# --- Counting ---------------------------------------------------------------------------------------


def test_what_each_key_sealed_is_added_up(db, ring):
    KeyCheck.objects.bulk_create([KeyCheck(OLD_ID), KeyCheck(NEW_ID)])
    keyring.take_counts()
    app = OAuthApp()
    for entries in ([OLD], [NEW, OLD], [NEW, OLD]):
        ring(*entries)
        app.client_secret.put("x")

    counting.flush()
    counting.flush()

    sealed = KeyCheck.objects.filter(key_id__in=[OLD_ID, NEW_ID])
    assert dict(sealed.values_list("key_id", "sealed")) == {OLD_ID: 1, NEW_ID: 2}


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_counted_now_is_counted_later(ring):
    KeyCheck.objects.create(key_id=OLD_ID)
    keyring.take_counts()
    OAuthApp().client_secret.put("x")
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE vault_keycheck RENAME TO elsewhere")

    try:
        with pytest.raises(Exception, match="vault_keycheck"):
            counting.flush()
    finally:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO vault_keycheck")

    counting.flush()
    assert KeyCheck.objects.get(key_id=OLD_ID).sealed == 1
