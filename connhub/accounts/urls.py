from django.urls import path

from . import views

app_name = "accounts"
urlpatterns = [
    path("setup/", views.first_run, name="setup"),
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("settings/", views.settings_page, name="settings"),
    path("profile/", views.profile, name="profile"),
    path("profile/password/", views.password, name="password"),
    path("environments/", views.environments, name="environments"),
    path("environments/add/", views.add_environment, name="add_environment"),
    path("environments/<slug:slug>/rename/", views.rename_environment, name="rename_environment"),
    path("environments/<slug:slug>/move/", views.move_environment, name="move_environment"),
    path("environments/<slug:slug>/remove/", views.remove_environment, name="remove_environment"),
]
