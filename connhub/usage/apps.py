from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "connhub.usage"

    def ready(self):
        from connhub import context

        from .models import Integration

        context.counted["usage:integrations"] = lambda request: Integration.objects.visible_to(
            request.user
        )
