from django.urls import path

from . import views

app_name = "connections"
urlpatterns = [
    path("", views.listing, name="list"),
    path("new/", views.gallery, name="gallery"),
    path("new/<slug:slug>/", views.new, name="new"),
    path("export/", views.export, name="export"),
    path("import/", views.upload, name="import"),
    path("import/<uuid:pk>/", views.one_import, name="one_import"),
    path("try/<int:pk>/", views.try_operation, name="try_operation"),
    path("<slug:link_name>/", views.summary, name="summary"),
    path("<slug:link_name>/edit/", views.edit, name="edit"),
    path("<slug:link_name>/rename/", views.rename, name="rename"),
    path("<slug:link_name>/authorize/", views.authorize, name="authorize"),
    path("<slug:link_name>/test/", views.test, name="test"),
    path("<slug:link_name>/revoke/", views.revoke, name="revoke"),
    path("<slug:link_name>/delete/", views.delete, name="delete"),
]
