from django.urls import path

from . import views

app_name = "connections"
urlpatterns = [
    path("", views.listing, name="list"),
    path("new/", views.gallery, name="gallery"),
    path("new/<slug:slug>/", views.new, name="new"),
    path("bulk-actions/", views.bulk_action, name="bulk_action"),
    path("saved-views/", views.saved_views, name="saved_views"),
    path("saved-views/<int:pk>/delete/", views.delete_view, name="delete_view"),
    path("shown-columns/", views.columns, name="columns"),
    path("listing-keys/", views.keys, name="keys"),
    path("export/", views.export, name="export"),
    path("import/", views.upload, name="import"),
    path("import/<uuid:pk>/", views.one_import, name="one_import"),
    path("try/<int:pk>/", views.try_operation, name="try_operation"),
    path("try-service/", views.try_service, name="try_service"),
    path("tests/", views.bulk_test, name="bulk_test"),
    path("tests/<uuid:pk>/", views.one_bulk_test, name="one_bulk_test"),
    path("deleted/", views.deleted, name="deleted"),
    path("<slug:link_name>/", views.summary, name="summary"),
    path("<slug:link_name>/guide/", views.guide, name="guide"),
    path("<slug:link_name>/activity/", views.activity, name="activity"),
    path("<slug:link_name>/edit/", views.edit, name="edit"),
    path("<slug:link_name>/rename/", views.rename, name="rename"),
    path("<slug:link_name>/authorize/", views.authorize, name="authorize"),
    path("<slug:link_name>/test/", views.test, name="test"),
    path("<slug:link_name>/sign-ins/", views.everybodys_sign_ins, name="sign_ins"),
    path(
        "<slug:link_name>/sign-ins/<uuid:pk>/remove/",
        views.remove_persons_sign_in,
        name="remove_sign_in",
    ),
    path("<slug:link_name>/revoke/", views.revoke, name="revoke"),
    path("<slug:link_name>/disable/", views.disable, name="disable"),
    path("<slug:link_name>/enable/", views.enable, name="enable"),
    path("<slug:link_name>/duplicate/", views.duplicate, name="duplicate"),
    path("<slug:link_name>/reconnect/", views.reconnect, name="reconnect"),
    path("<slug:link_name>/restore/", views.restore, name="restore"),
    path("<slug:link_name>/environments/<slug:slug>/", views.environment, name="environment"),
    path(
        "<slug:link_name>/environments/<slug:slug>/drop/",
        views.drop_environment,
        name="drop_environment",
    ),
    path("<slug:link_name>/delete/", views.delete, name="delete"),
]
