from django.urls import URLPattern, path

from . import views

app_name = "usage"


def of_each(noun: str) -> list[URLPattern]:
    """The pages of the integration's flows, apps or functions."""
    here, kind = f"<slug:slug>/{noun}s/", {"kind": noun}
    return [
        path(here, views.things, kind, name=f"{noun}s"),
        path(f"{here}new/", views.new_thing, kind, name=f"new_{noun}"),
        path(f"{here}<slug:key>/", views.thing, kind, name=noun),
        path(f"{here}<slug:key>/edit/", views.edit_thing, kind, name=f"edit_{noun}"),
        path(f"{here}<slug:key>/delete/", views.delete_thing, kind, name=f"delete_{noun}"),
    ]


urlpatterns = [
    path("", views.integrations, name="integrations"),
    path("new/", views.create, name="create"),
    path("<slug:slug>/edit/", views.edit, name="edit"),
    path("<slug:slug>/delete/", views.delete, name="delete"),
    path("<slug:slug>/connections/", views.connections, name="connections"),
    path("<slug:slug>/connections/register/", views.register, name="register"),
    path(
        "<slug:slug>/connections/<slug:link_name>/deregister/", views.deregister, name="deregister"
    ),
    path("<slug:slug>/flows/attach/", views.attach_flow, name="attach_flow"),
    path("<slug:slug>/flows/<slug:key>/detach/", views.detach_flow, name="detach_flow"),
    *of_each("flow"),
    *of_each("app"),
    *of_each("function"),
    path("<slug:slug>/calls/", views.calls, name="calls"),
    path("<slug:slug>/members/", views.members, name="members"),
    path("<slug:slug>/members/add/", views.add_member, name="add_member"),
    path("<slug:slug>/members/<uuid:public_id>/remove/", views.remove_member, name="remove_member"),
    path("<slug:slug>/keys/", views.keys, name="keys"),
    path("<slug:slug>/keys/new/", views.issue_key, name="issue_key"),
    path("<slug:slug>/keys/<uuid:pk>/rotate/", views.rotate_key, name="rotate_key"),
    path("<slug:slug>/keys/<uuid:pk>/revoke/", views.revoke_key, name="revoke_key"),
]
