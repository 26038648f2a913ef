"""SECURITY 1.2, 2.1: a sealed field opens on its own row alone, and shows itself nowhere."""

import pytest
from django.core import serializers
from django.forms.models import model_to_dict, modelform_factory
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from connhub.connections.models import Authorization, Credential
from connhub.services.models import OAuthApp
from connhub.vault.fields import SealedField
from connhub.vault.keyring import CantOpen, KeyMissing, Tampered, generate_entry
from connhub.vault.models import KeyCheck
from tests.conftest import CANARY
from tests.factories import ServiceFactory, connect

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.fixture
def credential(connection):
    return connection.credentials.get()


@pytest.fixture
def other(ada):
    return connect(ada, name="Other", link_name="other", secret="other").credentials.get()


@given(value=json_values)
def test_any_json_value_comes_back_as_it_was(value):
    app = OAuthApp()
    app.client_secret.put(value)

    assert app.client_secret.open().reveal() == value


def test_what_is_stored_is_not_what_was_put(credential):
    stored = Credential.objects.filter(pk=credential.pk).values_list("payload", flat=True).get()

    assert CANARY.encode() not in bytes(stored)
    assert Credential.objects.get(pk=credential.pk).payload.open().reveal() == {"key_1": CANARY}


def test_each_value_has_the_next_version_and_the_one_before_no_longer_opens(credential):
    before, version = credential.payload.ciphertext, credential.payload_version

    credential.payload.put({"key_1": "new"})

    assert credential.payload_version == version + 1
    assert credential.payload.open().reveal() == {"key_1": "new"}
    credential.payload = before
    with pytest.raises(Tampered):
        credential.payload.open()


def test_cleared_it_is_gone_and_cannot_come_back(credential):
    before, version = credential.payload.ciphertext, credential.payload_version

    credential.payload.clear()
    credential.save()

    credential.refresh_from_db()
    assert not credential.payload
    assert credential.payload_version == version + 1
    assert credential.payload.key_id is None
    with pytest.raises(CantOpen):
        credential.payload.open()
    credential.payload = before
    with pytest.raises(Tampered):
        credential.payload.open()


def swapped_rows(credential, other):
    """The ciphertext of one row written into another, as by somebody with the database."""
    Credential.objects.filter(pk=other.pk).update(
        payload=credential.payload.ciphertext, payload_version=credential.payload_version
    )
    return Credential.objects.get(pk=other.pk).payload


def changed_version(credential, other):
    Credential.objects.filter(pk=credential.pk).update(payload_version=9)
    return Credential.objects.get(pk=credential.pk).payload


def another_field(credential, other):
    row = Authorization(pk=credential.pk, verifier_version=credential.payload_version)
    row.verifier = credential.payload.ciphertext
    return row.verifier


def another_table(credential, other):
    app = OAuthApp(pk=credential.pk, client_secret_version=credential.payload_version)
    app.client_secret = credential.payload.ciphertext
    return app.client_secret


def cut_short(credential, other):
    stored = credential.payload.ciphertext
    Credential.objects.filter(pk=credential.pk).update(payload=stored[:-1])
    return Credential.objects.get(pk=credential.pk).payload


@pytest.mark.parametrize(
    "damage", [swapped_rows, changed_version, another_field, another_table, cut_short]
)
def test_a_value_moved_or_damaged_in_the_database_does_not_open(credential, other, damage):
    sealed = damage(credential, other)

    with pytest.raises(Tampered):
        sealed.open()


def test_without_its_key_it_is_a_missing_key_and_stays_as_it_is(credential, settings):
    before = credential.payload.ciphertext
    settings.CONNHUB_KEYS = generate_entry()

    with pytest.raises(KeyMissing):
        credential.payload.open()

    assert Credential.objects.get(pk=credential.pk).payload.ciphertext == before


def test_a_row_read_without_the_field_fetches_it_when_asked(credential):
    deferred = Credential.objects.defer("payload").get(pk=credential.pk)

    assert bool(deferred.payload)
    assert deferred.payload.open().reveal() == {"key_1": CANARY}


def test_saving_a_row_read_without_the_field_keeps_it(credential):
    deferred = Credential.objects.defer("payload").get(pk=credential.pk)
    deferred.account = "somebody"

    deferred.save()

    assert Credential.objects.get(pk=credential.pk).payload.open().reveal() == {"key_1": CANARY}


def test_bulk_writes_keep_it_sealed(db):
    service = ServiceFactory()
    apps = [OAuthApp(service=service, client_id=str(n)) for n in range(2)]
    for app in apps:
        app.client_secret.put(CANARY)

    OAuthApp.objects.bulk_create(apps)
    for app in apps:
        app.client_secret.put("second")
    OAuthApp.objects.bulk_update(apps, ["client_secret", "client_secret_version"])

    values = [app.client_secret.open().reveal() for app in OAuthApp.objects.all()]
    assert values == ["second", "second"]


@pytest.mark.parametrize("kind", ["json", "python", "xml", "jsonl"])
def test_serializers_leave_it_empty(credential, kind):
    text = str(serializers.serialize(kind, [credential]))

    assert CANARY not in text
    assert credential.payload.ciphertext.hex() not in text
    assert "payload_version" in text
    assert str(credential.payload.ciphertext) not in text


@pytest.mark.parametrize("model", [Credential, OAuthApp, Authorization, KeyCheck])
def test_forms_do_not_know_it(model):
    sealed = {f.name for f in model._meta.get_fields() if isinstance(f, SealedField)}
    row = model()

    assert sealed
    assert sealed.isdisjoint(model_to_dict(row))
    assert sealed.isdisjoint(modelform_factory(model, fields="__all__").base_fields)


def test_its_repr_says_only_whether_it_is_set(credential):
    assert repr(credential.payload) == str(credential.payload) == "<payload: set>"
    assert repr(Credential().payload) == "<payload: not set>"


def test_the_admin_site_shows_it_on_no_page(client, root, connection):
    credential = connection.credentials.get()
    client.force_login(root)

    page = client.get(reverse("admin:connections_connection_change", args=[connection.pk]))

    assert page.status_code == 200
    for form in (CANARY, credential.payload.ciphertext.hex(), str(credential.payload.ciphertext)):
        assert form not in page.content.decode()


def test_what_is_sealed_with_a_key_is_a_plain_query(credential):
    sealed_with = bytes.fromhex("01" + credential.payload.key_id)

    stored = Credential.objects.filter(payload__isnull=False).values_list("payload", flat=True)

    assert [bytes(value)[:5] for value in stored] == [sealed_with]
