from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConnHubConfig(AppConfig):
    """What belongs to no room: the commands that start the whole house."""

    name = "connhub"
    default = True


class AdminConfig(admin_apps.AdminConfig):
    """Django admin, for super admins alone."""

    default_site = "connhub.admin_site.SuperAdminSite"
    default = False
