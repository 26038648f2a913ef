from django.urls import URLPattern, path

from . import views


def of_each(noun: str) -> tuple[list[URLPattern], str]:
    """The pages of flows, apps or functions that belong to no integration, to include."""
    kind = {"kind": noun}
    pages = [
        path("", views.standalone_things, kind, name="list"),
        path("new/", views.new_thing, kind, name="new"),
        path("<slug:key>/", views.thing, kind, name=noun),
        path("<slug:key>/edit/", views.edit_thing, kind, name="edit"),
        path("<slug:key>/delete/", views.delete_thing, kind, name="delete"),
    ]
    return pages, f"{noun}s"
