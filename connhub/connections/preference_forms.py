"""What a person says about how they like the listing."""

from django import forms

from connhub.forms import NO_CONTROLS

from .preferences import COLUMNS


class ViewForm(forms.Form):
    name = forms.CharField(label="Name of the view", max_length=40, validators=[NO_CONTROLS])


class ColumnsForm(forms.Form):
    columns = forms.MultipleChoiceField(
        label="Columns beside the name",
        choices=list(COLUMNS.items()),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
