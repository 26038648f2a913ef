"""The share pages of one object; included for each kind, under the object's own address."""

from django.urls import path

from . import views

app_name = "sharing"
urlpatterns = [
    path("", views.admins, name="admins"),
    path("add/", views.add, name="add"),
    path("people/<uuid:public_id>/remove/", views.remove_person, name="remove_person"),
    path("teams/<uuid:public_id>/remove/", views.remove_team, name="remove_team"),
    path("to-myself/", views.share_to_self, name="to_self"),
    path("to-myself/undo/", views.undo_share_to_self, name="undo"),
]
