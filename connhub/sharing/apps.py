from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SharingConfig(AppConfig):
    name = "connhub.sharing"

    def ready(self):
        from connhub.accounts import people, teams
        from connhub.services.models import Origin, Service

        from . import kinds, roles, staying

        def custom_services(user=None):
            """Those that admins made, which everybody signed in may look at."""
            return Service.objects.filter(origin=Origin.CUSTOM)

        kinds.add(
            kinds.Kind(
                model=Service,
                key="slug",
                live=custom_services,
                visible_to=custom_services,
                may="edit, share, unlist and delete",
                loses="may no longer edit, share or delete",
                stays="Connections and flows that use it go on.",
                listing="services:list",
            )
        )
        post_migrate.connect(roles.forget_permissions, dispatch_uid="sharing.forget_permissions")
        people.leaving.connect(staying.when_leaving, dispatch_uid="sharing.when_leaving")
        teams.shrunk.connect(staying.when_shrunk, dispatch_uid="sharing.when_shrunk")
