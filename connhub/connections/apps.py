from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connhub.connections"

    def ready(self):
        from connhub import context
        from connhub.accounts.people import leaving

        from .login_users import forget
        from .models import Connection

        context.counted["connections:list"] = lambda request: Connection.objects.visible_to(
            request.user
        )
        leaving.connect(forget, dispatch_uid="connections.forget")
