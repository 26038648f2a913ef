from django.apps import AppConfig


class ServicesConfig(AppConfig):
    name = "connhub.services"

    def ready(self):
        from connhub import context
        from connhub.accounts import permissions
        from connhub.accounts.permissions import Who
        from connhub.audit.things import Thing, things

        from . import policies
        from .models import Operation, Service

        permissions.relations[Service] = {Who.ITS_ADMIN: policies.is_admin}
        permissions.states[Service] = policies.state_of

        context.counted["services:list"] = lambda request: Service.objects.listed()
        things["service"] = Thing(
            Service.objects.all,
            ("slug", "name"),
            named_in=[
                "services/<slug:slug>/",
                "services/<slug:key>/share/",
                "connections/new/<slug:slug>/",
                "oauth/callback/<slug:service>/",
            ],
        )
        things["operation"] = Thing(Operation.objects.all, named_in=["connections/try/<int:pk>/"])
