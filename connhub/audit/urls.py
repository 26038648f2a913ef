from django.urls import path, register_converter

from . import views


class SequenceConverter:
    """The number of an event: no more digits than the database's numbers have."""

    regex = "[0-9]{1,18}"
    to_python = int
    to_url = str


register_converter(SequenceConverter, "sequence")
app_name = "audit"
urlpatterns = [
    path("", views.log, name="log"),
    path("export.<slug:format>", views.export, name="export"),
    path("<sequence:sequence>/", views.event, name="event"),
]
