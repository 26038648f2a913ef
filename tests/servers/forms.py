"""Reading the hidden fields of an HTML form, for tests that fill one in without a browser."""

from html.parser import HTMLParser


class _HiddenFields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "input" and given.get("type") == "hidden":
            self.values[given["name"] or ""] = given.get("value") or ""


def read_form(page: str) -> dict[str, str]:
    """The hidden fields of the page, ready to be sent back with what a person fills in."""
    fields = _HiddenFields()
    fields.feed(page)
    return fields.values
