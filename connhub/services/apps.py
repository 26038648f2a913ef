from django.apps import AppConfig


class ServicesConfig(AppConfig):
    name = "connhub.services"

    def ready(self):
        from connhub import context
        from connhub.accounts import permissions
        from connhub.accounts.permissions import Who
        from connhub.audit.things import Thing, things

        from . import policies
        from .models import Service

        permissions.relations[Service] = {Who.ITS_ADMIN: policies.is_admin}
        permissions.states[Service] = policies.state_of

        context.counted["services:list"] = lambda request: Service.objects.listed()
        things["service"] = Thing(Service.objects.all, ("slug", "name"))
