"""Asks for an OpenAPI document, then for what should be corrected in what it says."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.core import signing

from connhub.forms import Described

from .custom import Definition, MethodDefinition
from .documents import MAX_BYTES, BadDocument
from .fields import line
from .forms import CATEGORY, DetailsForm
from .openapi import Document, read

SALT = "connhub.services.openapi"
MAX_AGE_S = 3600
EXPIRED = "The document was read too long ago. Upload it again."


class UploadForm(forms.Form):
    """The document itself; what is left blank is read from it."""

    name = line("Name", required=False)
    version = line("Version", 40, required=False)
    summary = line("Summary", 300, required=False)
    category = line(
        "Service type", 40, initial=CATEGORY, widget=forms.TextInput({"list": "categories"})
    )
    definition = forms.FileField(
        label="Service Definition",
        help_text="OpenAPI 2.0, 3.0 or 3.1, JSON or YAML, at most 5 MB.",
        widget=forms.FileInput({"accept": ".json,.yaml,.yml"}),
    )

    document: Document

    def clean_definition(self) -> Any:
        file = self.cleaned_data["definition"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is larger than 5 MB.")
        try:
            self.document = read(file.read())
        except BadDocument as error:
            raise forms.ValidationError(str(error)) from None
        return file

    @property
    def found(self) -> dict[str, Any]:
        """The initial values of a `RegisterForm`: what was typed, else what the document says."""
        document, typed = self.document, self.cleaned_data
        return {
            "name": typed["name"] or document.name,
            "version": typed["version"] or document.version,
            "summary": typed["summary"] or document.summary,
            "category": typed["category"],
            "base_url": document.servers[0] if document.servers else "",
            "methods": [str(number) for number in range(len(document.methods))],
            "document": keep(document),
        }


def keep(document: Document) -> str:
    """The document's substance, signed, to be carried by the second step's form."""
    kept = {
        "methods": [asdict(method) for method in document.methods],
        "operations": document.operations,
        "servers": document.servers,
        "left_out": document.left_out,
    }
    return signing.dumps(kept, salt=SALT, compress=True)


class RegisterForm(DetailsForm):
    """What a document says, for correction, with the endpoints of each environment."""

    version = line("Version", 40, required=False)
    summary = line("Summary", 300, required=False)
    methods = forms.MultipleChoiceField(label="Authentication", widget=forms.CheckboxSelectMultiple)
    document = forms.CharField(widget=forms.HiddenInput)
    field_order = ["name", "slug", "version", "summary", "category", "docs_url", "base_url"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = self._opened()
        offered = self.fields["methods"]
        assert isinstance(offered, forms.MultipleChoiceField)
        offered.choices = [
            (str(number), Described(method["label"], _about(method)))
            for number, method in enumerate(self.kept.get("methods", []))
        ]

    def _opened(self) -> dict[str, Any]:
        given = self.data.get("document") if self.is_bound else self.initial.get("document")
        try:
            return signing.loads(given or "", salt=SALT, max_age=MAX_AGE_S)
        except signing.BadSignature:
            return {}

    def clean_document(self) -> str:
        if not self.kept:
            raise forms.ValidationError(EXPIRED)
        return self.cleaned_data["document"]

    @property
    def definition(self) -> Definition:
        """The valid form as a definition."""
        chosen = [self.kept["methods"][int(number)] for number in self.cleaned_data["methods"]]
        return self.definition_with(
            [MethodDefinition(**method) for method in chosen],
            version=self.cleaned_data["version"],
            summary=self.cleaned_data["summary"],
            operations=self.kept["operations"],
        )


def _about(method: dict[str, Any]) -> str:
    config = method["config"]
    if "keys" in config:
        return ", ".join(f"{key['in']} {key['name']}" for key in config["keys"])
    return config.get("authorize_url") or config.get("token_url") or ""
