from django.urls import path

from . import views

app_name = "projects"
urlpatterns = [
    path("", views.projects, name="list"),
    path("new/", views.new_project, name="new"),
    path("<slug:slug>/", views.project, name="project"),
    path("<slug:slug>/rename/", views.rename_project, name="rename"),
    path("<slug:slug>/delete/", views.delete_project, name="delete"),
]
