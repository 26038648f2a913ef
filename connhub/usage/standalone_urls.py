from django.urls import path

from . import views

app_name = "flows"
urlpatterns = [
    path("", views.standalone_flows, name="list"),
    path("new/", views.new_standalone_flow, name="new"),
    path("<slug:slug>/", views.standalone_flow, name="flow"),
    path("<slug:slug>/edit/", views.edit_standalone_flow, name="edit"),
    path("<slug:slug>/delete/", views.delete_standalone_flow, name="delete"),
]
