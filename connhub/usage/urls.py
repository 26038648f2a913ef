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
    path("<slug:slug>/members/", views.members, name="members"),
    path("<slug:slug>/members/add/", views.add_member, name="add_member"),
    path("<slug:slug>/members/<int:pk>/remove/", views.remove_member, name="remove_member"),
    path("<slug:slug>/keys/", views.keys, name="keys"),
    path("<slug:slug>/keys/new/", views.issue_key, name="issue_key"),
    path("<slug:slug>/keys/<uuid:pk>/revoke/", views.revoke_key, name="revoke_key"),
]
