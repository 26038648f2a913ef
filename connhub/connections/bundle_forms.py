"""What a person says about a file of connections: to make one, to open one, to import one."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core import signing

from connhub.forms import NO_CONTROLS, Described, SecretField, Switch
from connhub.vault import passphrase

from .bundles.document import MAX_BYTES
from .bundles.preview import Choice, Decisions, Entry
from .models import LINK_NAME

SALT = "connhub.connections.passphrase"
OFFERED_FOR_S = 3600
ALL, SHOWN, THESE = "all", "shown", "these"
MADE, OWN = "made", "own"
MOST_TAGS = 20
CHOICE = "choice_"


class ExportForm(forms.Form):
    """Which connections, with or without secrets, and under which passphrase."""

    what = forms.ChoiceField(label="Connections", widget=forms.RadioSelect)
    link_names = forms.CharField(
        label="Link names",
        required=False,
        max_length=600_000,
        widget=forms.Textarea({"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text="Separated by spaces or on lines of their own.",
    )
    secrets = forms.BooleanField(
        label="With secrets",
        required=False,
        widget=Switch,
        help_text="API keys, passwords, tokens and client secrets. Each one read is on record.",
    )
    sealed_by = forms.ChoiceField(
        label="Passphrase", widget=forms.RadioSelect, choices=[], initial=MADE
    )
    offered = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
    made = forms.CharField(
        label="Passphrase made by ConnHub",
        widget=forms.TextInput({"readonly": True, "class": "mono", "autocomplete": "off"}),
        help_text="Keep it now: it is shown on this page alone, and stored nowhere.",
    )
    own = SecretField(
        label="Your own passphrase",
        required=False,
        max_length=passphrase.LONGEST,
        help_text="At least 14 characters.",
    )
    again = SecretField(
        label="Your own passphrase, again", required=False, max_length=passphrase.LONGEST
    )

    data: Any

    def __init__(self, *args: Any, choices: Sequence[tuple[str, str]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._choices("what", choices)
        self.given_out, token = self._offer()
        self._choices("sealed_by", [(MADE, "Made by ConnHub"), (OWN, "My own")])
        for name in ("own", "again"):  # asked, and wanted, only while that is chosen
            self.fields[name].is_optional = False  # type: ignore[attr-defined]
        ours = {"offered": token, "made": self.given_out}
        self.initial.update(ours)
        if self.is_bound:
            self.data = {**self.data.dict(), **ours}
        self.groups = [
            (
                "Protection",
                "The file is encrypted under a passphrase. Without it nobody can open it, not even ConnHub.",
                ["sealed_by", "made", "own", "again"],
            ),
        ]

    def _choices(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def _offer(self) -> tuple[str, str]:
        """The passphrase that the page shows: again the one it showed before, if that was ours."""
        given = self.data.get("offered", "") if self.is_bound else ""
        try:
            made = signing.loads(given, salt=SALT, max_age=OFFERED_FOR_S)
        except signing.BadSignature:
            made = passphrase.generate()
            given = signing.dumps(made, salt=SALT)
        return made, given

    def clean_link_names(self) -> list[str]:
        names = self.cleaned_data["link_names"].replace(",", " ").split()
        if any(not re.fullmatch(LINK_NAME, name) for name in names):
            raise forms.ValidationError("One of these is no link name.")
        return list(dict.fromkeys(names))

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        if cleaned.get("what") == THESE and cleaned.get("link_names") == []:
            self.add_error("link_names", "Enter at least one link name.")
        if cleaned.get("sealed_by") == OWN:
            self._check_own(cleaned.get("own") or "", cleaned.get("again") or "")
        return cleaned

    def _check_own(self, own: str, again: str) -> None:
        if not passphrase.is_long_enough(own):
            self.add_error("own", "Use at least 14 characters.")
        elif own != again:
            self.add_error("again", "The two are not the same.")

    @property
    def sealed_under(self) -> str:
        cleaned = self.cleaned_data
        return cleaned["own"] if cleaned["sealed_by"] == OWN else self.given_out


class UploadForm(forms.Form):
    """A file that ConnHub exported, and its passphrase."""

    file = forms.FileField(
        help_text="As ConnHub exported it, at most 10 MiB.",
        widget=forms.FileInput({"accept": ".connhub"}),
        allow_empty_file=True,
        error_messages={"required": "Choose a file of at most 10 MiB."},
    )
    passphrase = SecretField(max_length=passphrase.LONGEST)

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is larger than 10 MiB.")
        return file.read()


class DecisionForm(forms.Form):
    """What becomes of all, and of the connections on the page that is shown."""

    existing = forms.ChoiceField(
        label="Where the link name is in use here",
        widget=forms.RadioSelect,
        choices=[
            (Choice.KEEP, Described("Keep what is here", "The file's is left out")),
            (Choice.REPLACE, Described("Replace it", "If you administer it")),
            (Choice.ADD, Described("Add the file's too", "Under a new link name")),
        ],
    )
    tags = forms.CharField(
        label="Tags for all that comes in",
        required=False,
        max_length=400,
        validators=[NO_CONTROLS],
        help_text="Separated by commas.",
    )
    moves = forms.BooleanField(
        label="OAuth grants move here",
        required=False,
        widget=Switch,
        help_text="Nobody else goes on using them. Otherwise each has to be authorized anew, "
        "because two holders of one grant would end each other's.",
    )

    def __init__(self, *args: Any, decisions: Decisions, shown: Sequence[Entry], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.decisions = decisions
        self.initial.update(
            existing=decisions.existing, tags=", ".join(decisions.tags), moves=decisions.moves
        )
        self.single = {entry.item.link_name: entry.possible for entry in shown}

    def clean_tags(self) -> list[str]:
        tags = [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]
        if len(tags) > MOST_TAGS or any(len(tag) > 40 for tag in tags):
            raise forms.ValidationError("Use at most 20 tags of at most 40 characters.")
        return list(dict.fromkeys(tags))

    @property
    def decided(self) -> Decisions:
        """What was decided before, with what this page says."""
        single = dict(self.decisions.single)
        for link_name, possible in self.single.items():
            chosen = self.data.get(CHOICE + link_name, "")
            single.pop(link_name, None)
            if chosen in possible:
                single[link_name] = chosen
        cleaned = self.cleaned_data
        return Decisions(cleaned["existing"], single, cleaned["tags"], cleaned["moves"])
