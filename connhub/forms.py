"""How ConnHub's forms look, and the field that never shows what it holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.forms.renderers import TemplatesSetting
from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime, make_aware

NO_CONTROLS = RegexValidator(r"\A[^\x00-\x1f\x7f]*\Z", "Use a single line of ordinary characters.")


LAST_MINUTE, LAST_YEAR = time(23, 59), 2199


class Switch(forms.CheckboxInput):
    """A checkbox for something that is on or off."""

    def __init__(self, attrs=None):
        super().__init__({"role": "switch", **(attrs or {})})


class Described(str):
    """The label of a choice, with a few words about it: `("api", Described("api", "Read records"))`."""

    about: str

    def __new__(cls, label: str, about: str = ""):
        described = super().__new__(cls, label)
        described.about = about
        return described


class SecretField(forms.CharField):
    """A secret to be typed or pasted. It is kept as typed and never rendered back, not even with errors.

    With `stored_at` set there is one already: the field says so and may be left blank, which
    cleans to "" and means keep. `multiline` is for keys and certificates; their line ends become LF.
    """

    def __init__(self, *, multiline: bool = False, stored_at: datetime | None = None, **kwargs):
        attrs = {"autocomplete": "new-password", "autocapitalize": "off", "spellcheck": "false"}
        widget = forms.Textarea({**attrs, "rows": 5, "class": "mono"}) if multiline else None
        kwargs.setdefault("widget", widget or forms.PasswordInput(attrs))
        super().__init__(strip=False, **kwargs)
        self.multiline = multiline
        self.stored_at = stored_at

    @property
    def stored_at(self) -> datetime | None:
        return self._stored_at

    @stored_at.setter
    def stored_at(self, moment: datetime | None) -> None:
        self._stored_at = moment
        if moment:
            day = date_format(localtime(moment), "j M Y")
            self.help_text = f"Stored on {day}. Leave blank to keep it."
            self.required = self.widget.is_required = False

    def prepare_value(self, value: object) -> str:
        """Every widget, hidden ones too, asks here what to render."""
        return ""

    def to_python(self, value: object) -> str:
        text = super().to_python(value) or ""
        return text.replace("\r\n", "\n") if self.multiline else text


class EndDateField(forms.DateField):
    """The day on which a secret stops working, as its issuer says; cleans to that day's last minute.

    `stored` is what was said before: it may be over already.
    """

    def __init__(self, *, stored: datetime | None = None, label: str = "Ends on") -> None:
        super().__init__(
            label=label,
            required=False,
            help_text="If it has an end date where it was issued. You are reminded 14 days before.",
            input_formats=["%Y-%m-%d"],
            initial=localtime(stored).date() if stored else None,
            widget=forms.DateInput({"type": "date", "autocomplete": "off"}, "%Y-%m-%d"),
        )
        self.stored = stored

    def clean(self, value: Any) -> datetime | None:
        day = super().clean(value)
        if day is None or day == self.initial:
            return self.stored if day else None
        if day < localdate():
            raise forms.ValidationError("This day is over.")
        if day.year > LAST_YEAR:
            raise forms.ValidationError(f"Give a year up to {LAST_YEAR}.")
        return make_aware(datetime.combine(day, LAST_MINUTE))


class LifetimeForm(forms.Form):
    """How long a new key or token is good for."""

    days = forms.TypedChoiceField(
        label="Expires",
        coerce=int,
        choices=[(30, "In 30 days"), (90, "In 90 days"), (365, "In a year")],
        initial=365,
    )

    @property
    def expires_in(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])


SHAPES = (
    (Switch, "switch"),
    (forms.CheckboxInput, "check"),
    (forms.CheckboxSelectMultiple, "checks"),
    (forms.RadioSelect, "chips"),
)


class BoundField(forms.BoundField):
    """Tells `ui/field.html` what kind of field it draws."""

    @property
    def shape(self) -> str:
        widget = self.field.widget
        return next((shape for kind, shape in SHAPES if isinstance(widget, kind)), "line")

    @property
    def control(self) -> str:
        """The widget, with the class that makes it one of our inputs."""
        own = self.field.widget.attrs.get("class", "")
        return self.as_widget(attrs={"class": f"input {own}".strip()})

    @property
    def anchor(self) -> str:
        """The id that the error summary links to."""
        is_list = self.shape in ("checks", "chips")
        return f"{self.auto_id}_0" if is_list else self.auto_id

    @property
    def is_optional(self) -> bool:
        """Whether the label says so: for a line left blank, unless a secret is stored already."""
        is_wanted = self.field.required or getattr(self.field, "stored_at", None)
        return self.shape == "line" and getattr(self.field, "is_optional", not is_wanted)


class FormRenderer(TemplatesSetting):
    """Renders `{{ form }}` and `{{ field.as_field_group }}` in the house's style."""

    form_template_name = "ui/form.html"
    field_template_name = "ui/field.html"
    bound_field_class = BoundField


@dataclass
class Group:
    title: str
    about: str
    fields: list[forms.BoundField]


def grouped(form: forms.BaseForm) -> Iterator[Group]:
    """The visible fields in groups: first those in no group, then `form.groups`, if it has any.

    `groups` is a list of (title, help, field names); a name the form lacks is passed over.
    """
    groups = getattr(form, "groups", [])
    taken = {name for _, _, names in groups for name in names}
    yield Group("", "", [field for field in form.visible_fields() if field.name not in taken])
    for title, about, names in groups:
        fields = [form[name] for name in names if name in form.fields]
        if fields:
            yield Group(title, about, fields)


@dataclass
class Mistake:
    """One thing that is wrong in a form; `anchor` is the id of the field, if one can go there."""

    label: str
    anchor: str
    text: str


def mistakes(form: forms.BaseForm) -> Iterator[Mistake]:
    """All that is wrong in a form and its `parts`, titled forms inside it, in reading order."""
    for part in (form, *getattr(form, "parts", ())):
        title = f"{part.title}: " if hasattr(part, "title") else ""
        for text in part.non_field_errors():
            yield Mistake("", "", text)
        for field in part:
            anchor = "" if field.is_hidden else field.anchor
            for text in field.errors:
                yield Mistake(f"{title}{field.label}", anchor, text)
