from django.urls import path

from . import views

app_name = "usage"
urlpatterns = [
    path("", views.integrations, name="integrations"),
    path("new/", views.create, name="create"),
    path("<slug:slug>/connections/", views.connections, name="connections"),
    path("<slug:slug>/connections/register/", views.register, name="register"),
    path(
        "<slug:slug>/connections/<slug:link_name>/deregister/", views.deregister, name="deregister"
    ),
    path("<slug:slug>/flows/", views.flows, name="flows"),
    path("<slug:slug>/flows/new/", views.new_flow, name="new_flow"),
    path("<slug:slug>/flows/attach/", views.attach_flow, name="attach_flow"),
    path("<slug:slug>/flows/<slug:flow>/", views.flow, name="flow"),
    path("<slug:slug>/flows/<slug:flow>/edit/", views.edit_flow, name="edit_flow"),
    path("<slug:slug>/flows/<slug:flow>/detach/", views.detach_flow, name="detach_flow"),
    path("<slug:slug>/flows/<slug:flow>/delete/", views.delete_flow, name="delete_flow"),
    path("<slug:slug>/calls/", views.calls, name="calls"),
    path("<slug:slug>/members/", views.members, name="members"),
    path("<slug:slug>/members/add/", views.add_member, name="add_member"),
    path("<slug:slug>/members/<uuid:public_id>/remove/", views.remove_member, name="remove_member"),
    path("<slug:slug>/keys/", views.keys, name="keys"),
    path("<slug:slug>/keys/new/", views.issue_key, name="issue_key"),
    path("<slug:slug>/keys/<uuid:pk>/rotate/", views.rotate_key, name="rotate_key"),
    path("<slug:slug>/keys/<uuid:pk>/revoke/", views.revoke_key, name="revoke_key"),
]
