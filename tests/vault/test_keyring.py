"""SECURITY 1.1-1.4: the envelope, checked byte by byte and against Tink."""

import base64

import pytest
import tink
from hypothesis import given
from hypothesis import strategies as st
from tink import aead, cleartext_keyset_handle
from tink.proto import aes_gcm_pb2, tink_pb2

from connhub.vault import keyring
from connhub.vault.keyring import BadKeys, KeyMissing, Place, Tampered

MASTER = bytes(range(100, 132))
OTHER_MASTER = bytes(range(150, 182))
HERE = Place("connections_credential", "7", "payload", 3)
PLAINTEXT = b'{"api_key": "sk_live_1"}'


def entry(key_id: str, master: bytes) -> str:
    return f"{key_id}:{base64.b64encode(master).decode()}"


ONE = entry("0a0b0c0d", MASTER)
OTHER = entry("01020304", OTHER_MASTER)


@pytest.fixture(scope="module")
def ring():
    return keyring.parse(ONE)


@given(
    plaintext=st.binary(max_size=2000),
    row=st.text(max_size=40),
    version=st.integers(min_value=0, max_value=2**31),
)
def test_what_is_sealed_opens_at_its_place_with_its_key(ring, plaintext, row, version):
    place = Place("table", row, "field", version)

    assert ring.open(ring.seal(plaintext, place), place) == plaintext


def test_the_wire_format_is_version_key_id_nonce_ciphertext_and_tag(ring):
    sealed = ring.seal(PLAINTEXT, HERE)

    assert sealed[:5] == bytes.fromhex("01" + "0a0b0c0d")
    assert len(sealed) == 5 + 12 + len(PLAINTEXT) + 16
    assert keyring.key_id_of(sealed) == "0a0b0c0d"


def test_the_same_text_never_seals_to_the_same_bytes(ring):
    nonces = {ring.seal(PLAINTEXT, HERE)[5:17] for _ in range(100)}

    assert len(nonces) == 100


@pytest.mark.parametrize("bit", [0, 7])
def test_a_change_of_any_byte_is_found(ring, bit):
    sealed = ring.seal(PLAINTEXT, HERE)

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1 << bit
        with pytest.raises(KeyMissing if 1 <= position < 5 else Tampered):
            ring.open(bytes(changed), HERE)


def test_a_cut_at_any_length_is_found(ring):
    sealed = ring.seal(PLAINTEXT, HERE)

    for length in range(len(sealed)):
        with pytest.raises(Tampered):
            ring.open(sealed[:length], HERE)


def test_bytes_added_at_either_end_are_found(ring):
    sealed = ring.seal(PLAINTEXT, HERE)

    for changed in (sealed + b"\0", b"\0" + sealed, b"\x01" + sealed):
        with pytest.raises(keyring.CantOpen):
            ring.open(changed, HERE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        HERE._replace(table="services_oauthapp"),
        HERE._replace(row="8"),
        HERE._replace(field="client_secret"),
        HERE._replace(version=2),
        HERE._replace(version=4),
    ],
)
def test_a_value_moved_to_another_place_does_not_open(ring, elsewhere):
    sealed = ring.seal(PLAINTEXT, HERE)

    with pytest.raises(Tampered):
        ring.open(sealed, elsewhere)


@given(data=st.binary(max_size=200))
def test_bytes_that_nobody_sealed_never_open(ring, data):
    with pytest.raises(keyring.CantOpen):
        ring.open(data, HERE)


def test_another_key_under_the_same_id_does_not_open():
    sealed = keyring.parse(entry("0a0b0c0d", MASTER)).seal(PLAINTEXT, HERE)

    with pytest.raises(Tampered):
        keyring.parse(entry("0a0b0c0d", OTHER_MASTER)).open(sealed, HERE)


def test_an_unknown_key_id_is_a_missing_key_even_if_the_key_itself_is_there():
    sealed = keyring.parse(entry("0a0b0c0d", MASTER)).seal(PLAINTEXT, HERE)

    with pytest.raises(KeyMissing):
        keyring.parse(entry("01020304", MASTER)).open(sealed, HERE)


def test_of_two_keys_the_first_seals_and_both_open():
    old = keyring.parse(OTHER)
    both = keyring.parse(f"{ONE}\n{OTHER}\n")

    sealed_before, sealed_now = old.seal(PLAINTEXT, HERE), both.seal(PLAINTEXT, HERE)

    assert keyring.key_id_of(sealed_now) == "0a0b0c0d"
    assert both.open(sealed_before, HERE) == both.open(sealed_now, HERE) == PLAINTEXT
    with pytest.raises(KeyMissing):
        old.open(sealed_now, HERE)


@pytest.mark.parametrize("between", [",", "\n", "\r\n", " \n\n  "])
def test_entries_are_parted_by_commas_or_lines(between):
    ring = keyring.parse(f"{ONE}{between}{OTHER}\n")

    assert [key_id.hex() for key_id in ring.keys] == ["0a0b0c0d", "01020304"]


def test_every_purpose_has_a_key_of_its_own():
    keys = {keyring.subkey(MASTER, purpose) for purpose in ("fields", "audit", "exports")}

    assert len(keys | {MASTER}) == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no key."),
        (" ,\n", "holds no key."),
        ("secret", "key 1 is not of the form 8-hex-digits:base64."),
        ("0a0b0c0d:not*base64", "key 1 is not of the form 8-hex-digits:base64."),
        ("0a0b0c0d:ключ", "key 1 is not of the form 8-hex-digits:base64."),
        (f"{ONE}\n{OTHER}=", "key 2 is not of the form 8-hex-digits:base64."),
        (entry("0a0b0c", MASTER), "key 1 needs an id of 8 hex digits."),
        (entry("0a0b0c0d0e", MASTER), "key 1 needs an id of 8 hex digits."),
        (entry("0a0b0c0d", MASTER[:16]), "key 1 has 16 bytes; it needs 32."),
        (entry("0a0b0c0d", MASTER + b"!"), "key 1 has 33 bytes; it needs 32."),
        ("0a0b0c0d:", "key 1 has 0 bytes; it needs 32."),
        (
            entry("0a0b0c0d", bytes(32)),
            "key 1 is a sample or far too simple; make a random one.",
        ),
        (
            entry("0a0b0c0d", b"0123456789abcdef0123456789abcdef"),
            "key 1 is a sample or far too simple; make a random one.",
        ),
        (f"{ONE}\n{ONE}", "holds key 2 twice (the id or the key repeats)."),
        (
            f"{ONE}\n{entry('0a0b0c0d', OTHER_MASTER)}",
            "holds key 2 twice (the id or the key repeats).",
        ),
        (
            f"{ONE}\n{entry('01020304', MASTER)}",
            "holds key 2 twice (the id or the key repeats).",
        ),
    ],
)
def test_a_ring_that_cannot_be_used_is_refused_and_the_text_says_why(text, why):
    with pytest.raises(BadKeys) as refused:
        keyring.parse(text)

    assert str(refused.value) == why


@given(text=st.text(max_size=100))
def test_whatever_stands_in_the_key_file_is_read_or_refused(text):
    try:
        keyring.parse(text)
    except BadKeys as error:
        assert len(str(error)) < 80


def test_generated_entries_make_a_ring_and_differ():
    first, second = keyring.generate_entry(), keyring.generate_entry()

    ring = keyring.parse(f"{first}\n{second}")

    assert len(ring.keys) == 2


def test_neither_a_key_nor_a_ring_shows_what_it_holds(ring):
    shown = repr(ring) + repr(ring.primary) + str(vars(ring))

    for purpose in ("fields", "audit", "exports"):
        assert repr(keyring.subkey(MASTER, purpose)) not in shown


# --- Tink as an independent oracle ----------------------------------------------------------------


def tink_aead(*keys: tuple[int, bytes]):
    """Tink's AEAD over raw AES-256-GCM keys with our key ids, the first one primary."""
    aead.register()
    keyset = tink_pb2.Keyset(primary_key_id=keys[0][0])
    for key_id, value in keys:
        key = keyset.key.add()
        key.key_id = key_id
        key.status = tink_pb2.KeyStatusType.ENABLED
        key.output_prefix_type = tink_pb2.OutputPrefixType.TINK
        key.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesGcmKey"
        key.key_data.key_material_type = tink_pb2.KeyData.KeyMaterialType.SYMMETRIC
        key.key_data.value = aes_gcm_pb2.AesGcmKey(key_value=value).SerializeToString()
    return cleartext_keyset_handle.from_keyset(keyset).primitive(aead.Aead)


@pytest.fixture(scope="module")
def oracle():
    return tink_aead((0x0A0B0C0D, keyring.subkey(MASTER, "fields")))


@given(plaintext=st.binary(max_size=500))
def test_tink_opens_what_the_ring_sealed(ring, oracle, plaintext):
    assert oracle.decrypt(ring.seal(plaintext, HERE), HERE.as_bytes()) == plaintext


@given(plaintext=st.binary(max_size=500))
def test_the_ring_opens_what_tink_sealed(ring, oracle, plaintext):
    assert ring.open(oracle.encrypt(plaintext, HERE.as_bytes()), HERE) == plaintext


def test_tink_too_refuses_another_place(ring, oracle):
    sealed = ring.seal(PLAINTEXT, HERE)

    with pytest.raises(tink.TinkError):
        oracle.decrypt(sealed, HERE._replace(row="8").as_bytes())


def test_tink_opens_with_the_second_key_of_a_ring(ring):
    sealed_before = keyring.parse(OTHER).seal(PLAINTEXT, HERE)
    oracle = tink_aead(
        (0x0A0B0C0D, keyring.subkey(MASTER, "fields")),
        (0x01020304, keyring.subkey(OTHER_MASTER, "fields")),
    )

    assert oracle.decrypt(sealed_before, HERE.as_bytes()) == PLAINTEXT


# --- The chain's MAC and ConnHub's own tokens -------------------------------------------------------


def test_the_audit_mac_depends_on_the_message_and_the_key(settings):
    settings.CONNHUB_KEYS = f"{ONE}\n{OTHER}"

    key_id, mac = keyring.audit_mac(b"message")

    assert key_id.hex() == "0a0b0c0d"
    assert keyring.audit_mac(b"message", key_id) == (key_id, mac)
    assert keyring.audit_mac(b"messagE")[1] != mac
    assert keyring.audit_mac(b"message", bytes.fromhex("01020304"))[1] != mac


def test_the_audit_mac_of_an_unknown_key_is_a_missing_key(settings):
    settings.CONNHUB_KEYS = ONE

    with pytest.raises(KeyMissing):
        keyring.audit_mac(b"message", bytes.fromhex("01020304"))


def test_a_token_is_kept_as_its_sha_256():
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert keyring.digest("abc") == known


@pytest.mark.parametrize(
    ("mode", "readable"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)]
)
def test_a_key_file_others_may_read_is_told_apart(tmp_path, mode, readable):
    path = tmp_path / "keys"
    path.touch()
    path.chmod(mode)

    assert keyring.readable_by_others(str(path)) == readable
