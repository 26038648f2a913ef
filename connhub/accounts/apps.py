from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "connhub.accounts"

    def ready(self):
        from . import environments, sessions

        post_migrate.connect(environments.create_default, sender=self)
        sessions.connect_signals()
