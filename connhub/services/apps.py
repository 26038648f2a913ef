from django.apps import AppConfig


class ServicesConfig(AppConfig):
    name = "connhub.services"

    def ready(self):
        from connhub import context

        from .models import Service

        context.counted["services:list"] = lambda request: Service.objects.listed()
