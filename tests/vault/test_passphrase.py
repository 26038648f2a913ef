"""The sealed file: what goes in comes out, and nothing else does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connhub.vault import passphrase
from connhub.vault.passphrase import HEADER, MAGIC, NotSealedFile, WrongPassphrase

PASSPHRASE = "a passphrase for the tests"
CONTENT = b'{"a": "content of some length"}'
SLOW = settings(max_examples=8, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def cheap():
    """The least cost that is accepted, so that many files can be opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passphrase, "LOG_N", passphrase.CHEAPEST_LOG_N)
        yield


@pytest.fixture(scope="module")
def sealed(cheap):
    return passphrase.seal_file(CONTENT, PASSPHRASE)


def refused(sealed: bytes, typed: str = PASSPHRASE) -> bool:
    with pytest.raises((NotSealedFile, WrongPassphrase)) as error:
        passphrase.open_file(sealed, typed)
    return str(error.value) == ""


@SLOW
@given(content=st.binary(max_size=5000), typed=st.text(min_size=14, max_size=60))
def test_what_is_sealed_is_opened_again(content, typed):
    assert passphrase.open_file(passphrase.seal_file(content, typed), typed) == content


def test_nothing_of_the_content_shows():
    one, other = (passphrase.seal_file(CONTENT, PASSPHRASE) for _ in "ab")

    assert CONTENT[:8] not in one
    assert one[HEADER.size :] != other[HEADER.size :]


def test_a_byte_changed_anywhere_is_refused(sealed):
    flipped = [
        sealed[:n] + bytes([sealed[n] ^ 1]) + sealed[n + 1 :] for n in range(0, len(sealed), 1)
    ]

    assert all(refused(each) for each in flipped)


@pytest.mark.parametrize("left", [0, 1, 8, 39, 40, 55, -17, -1])
def test_a_file_cut_off_is_refused(sealed, left):
    assert refused(sealed[:left])


def test_a_file_with_something_behind_it_is_refused(sealed):
    assert refused(sealed + b"\0")


@pytest.mark.parametrize("typed", ["", "A passphrase for the tests", PASSPHRASE + " ", "x" * 2000])
def test_another_passphrase_is_refused(sealed, typed):
    assert refused(sealed, typed)


def test_a_passphrase_is_the_same_however_its_letters_are_composed():
    sealed = passphrase.seal_file(CONTENT, "Zu\u0308rich am See, abends")

    assert passphrase.open_file(sealed, "Z\u00fcrich am See, abends") == CONTENT


@pytest.mark.parametrize(
    ("version", "log_n", "r", "p"),
    [(0, 15, 8, 1), (2, 15, 8, 1), (1, 14, 8, 1), (1, 18, 8, 1), (1, 63, 8, 1), (1, 255, 8, 1),
     (1, 15, 255, 1), (1, 15, 0, 1), (1, 15, 8, 255), (1, 15, 8, 0)],
)  # fmt: skip
def test_other_versions_and_costs_are_refused_before_any_work(
    sealed, version, log_n, r, p, monkeypatch
):
    monkeypatch.setattr(passphrase, "LOG_N", 17)
    monkeypatch.setattr(passphrase, "_cipher", None)
    header = HEADER.pack(MAGIC, version, log_n, r, p, sealed[12:28], sealed[28:40])

    with pytest.raises(NotSealedFile):
        passphrase.open_file(header + sealed[HEADER.size :], PASSPHRASE)


def test_a_made_passphrase_is_long_and_new():
    one, other = passphrase.generate(), passphrase.generate()

    assert (passphrase.is_long_enough(one), len(one), one != other) == (True, 35, True)
