"""Forms with rows of the same fields, of which one asks for more."""

from collections.abc import Mapping
from typing import Any

from django import forms

from .forms import ServiceForm

MOST_ROWS = 10


class RowsForm(ServiceForm):
    """A service whose method has several of a thing; rows left blank are passed over.

    The fields of row n are called `<row>_<n>_<name>`, with the names of `row_fields`.
    """

    row = ""
    title = ""
    rows = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_ROWS, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, rows: int = 1, **kwargs: Any) -> None:
        self.shown = max(1, min(rows, MOST_ROWS))
        super().__init__(*args, **kwargs)

    @classmethod
    def rows_in(cls, values: Mapping[str, Any]) -> int:
        """How many rows these initial values fill."""
        return sum(name.startswith(f"{cls.row}_") and name.endswith("_name") for name in values)

    @property
    def add_label(self) -> str:
        return f"Add {self.title.lower()}"

    @property
    def may_grow(self) -> bool:
        return self.shown < MOST_ROWS

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        self.initial["rows"] = self.shown
        numbered = self.shown > 1
        return [
            (f"{self.title} {n}" if numbered else self.title, "", self._add_row(n))
            for n in range(1, self.shown + 1)
        ]

    def row_fields(self, n: int) -> dict[str, forms.Field]:
        """The fields of a row; its `name` is what fills it."""
        raise NotImplementedError

    def _add_row(self, n: int) -> list[str]:
        fields = {f"{self.row}_{n}_{name}": field for name, field in self.row_fields(n).items()}
        self.fields.update(fields)
        return list(fields)

    def value(self, n: int, name: str) -> Any:
        """What was typed into a field of row n, "" if nothing that can be used."""
        return self.cleaned_data.get(f"{self.row}_{n}_{name}") or ""

    @property
    def filled(self) -> list[int]:
        """The rows that have a name."""
        return [n for n in range(1, self.shown + 1) if self.value(n, "name")]
