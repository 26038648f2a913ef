from django.urls import path

from . import registering, views

app_name = "services"
urlpatterns = [
    path("", views.listing, name="list"),
    path("new/", views.new, name="new"),
    path("register/", registering.register, name="register"),
    path("<slug:slug>/", views.detail, name="detail"),
    path("<slug:slug>/edit/", views.edit, name="edit"),
    path("<slug:slug>/listed/", views.listed, name="listed"),
    path("<slug:slug>/delete/", views.delete, name="delete"),
    path("<slug:slug>/app/", views.app, name="app"),
    path("<slug:slug>/app/remove/", views.remove_app, name="remove_app"),
]
