from django import forms
from django.http import QueryDict

from .meanwhile import EditedMeanwhile


class VersionedForm(forms.Form):
    """Knows which version of a connection it was opened with, so that nobody's change is lost."""

    version = forms.IntegerField(
        required=False, min_value=1, max_value=2**31, widget=forms.HiddenInput
    )

    def lose(self, refusal: EditedMeanwhile) -> None:
        """Say what others did; sent once more, what was typed takes the place of theirs."""
        self.add_error(None, refusal.text)
        assert isinstance(self.data, QueryDict)
        self.data = self.data.copy()
        self.data["version"] = str(refusal.version)
