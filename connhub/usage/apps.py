from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "connhub.usage"

    def ready(self):
        from connhub import context
        from connhub.connections.policies import ways_to_use

        from .models import Integration
        from .policies import through_integrations

        context.counted["usage:integrations"] = lambda request: Integration.objects.visible_to(
            request.user
        )
        ways_to_use.append(through_integrations)
