import json
from typing import Any

from django.db import models

from .keyring import CantOpen, Place, key_id_of, open_sealed, seal
from .secret import Secret


class Sealed:
    """A sealed JSON value bound to its row; nothing is decrypted until `open()`."""

    __slots__ = ("_field", "_row")

    def __init__(self, row: models.Model, field: "SealedField"):
        self._row, self._field = row, field

    def __bool__(self) -> bool:
        return bool(self.ciphertext)

    def __repr__(self) -> str:
        return f"<{self._field.name}: {'set' if self else 'not set'}>"

    @property
    def ciphertext(self) -> bytes | None:
        name = self._field.attname
        if name not in self._row.__dict__:  # the row was read without it
            self._row.refresh_from_db(fields=[name])
        return self._row.__dict__[name]

    @property
    def key_id(self) -> str | None:
        return key_id_of(self.ciphertext) if self.ciphertext else None

    def open(self) -> Secret:
        """The value in clear.

        Raises:
            CantOpen: sealed with a missing key, tampered with, or nothing is stored.
        """
        return Secret(json.loads(open_sealed(self.ciphertext or b"", self._place())))

    def opens(self) -> bool:
        """Whether it can be opened; the value itself is dropped at once."""
        try:
            open_sealed(self.ciphertext or b"", self._place())
        except CantOpen:
            return False
        return True

    def sealed_anew(self) -> bytes:
        """The same value in the same version, sealed with the primary key. Raises: CantOpen."""
        place = self._place()
        return seal(open_sealed(self.ciphertext or b"", place), place)

    def put(self, value: Any) -> None:
        """Seal a new JSON value under the next version; the caller saves the row."""
        version = getattr(self._row, self._field.version) + 1
        setattr(self._row, self._field.version, version)
        plaintext = json.dumps(value, ensure_ascii=False).encode()
        self._row.__dict__[self._field.attname] = seal(plaintext, self._place())

    def clear(self) -> None:
        """Destroy the value; the version moves on, so that a late writer can't bring it back."""
        setattr(self._row, self._field.version, getattr(self._row, self._field.version) + 1)
        self._row.__dict__[self._field.attname] = None

    def _place(self) -> Place:
        row, field = self._row, self._field
        return Place(row._meta.db_table, str(row.pk), field.name, getattr(row, field.version))


class _SealedAttribute:
    def __init__(self, field: "SealedField"):
        self.field = field

    def __get__(self, row, owner=None):
        return self if row is None else Sealed(row, self.field)

    def __set__(self, row, value):
        ciphertext = value.ciphertext if isinstance(value, Sealed) else value
        row.__dict__[self.field.attname] = None if ciphertext is None else bytes(ciphertext)


class SealedField(models.BinaryField):
    """Holds a secret at rest. `row.field.put(value)`, `.open()` and `.clear()` are the only ways in.

    `version` names the row's integer field that counts the secret's versions; with the table, the
    row's id and the field it is bound into the ciphertext, so the row needs its id before `put`.
    For those who look after keys, `kind` says in the plural what it holds, and `of` is the way to
    the object whose page shows it, as in `credential__connection`.
    """

    _pyi_private_get_type: Sealed  # type: ignore[assignment]  # what mypy's Django plugin reads

    def __init__(self, *args, version: str = "", kind: str = "", of: str = "", **kwargs):
        self.version, self.kind, self.of = version, kind, of
        super().__init__(*args, **{"null": True, "blank": True, "editable": False} | kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"version": self.version}

    def contribute_to_class(self, cls, name, private_only=False):
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _SealedAttribute(self))

    def pre_save(self, row, add):
        return row.__dict__.get(self.attname)

    def get_prep_value(self, value):
        return value.ciphertext if isinstance(value, Sealed) else value

    def value_from_object(self, row):
        return None

    def value_to_string(self, row):
        return ""
