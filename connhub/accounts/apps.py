from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "connhub.accounts"

    def ready(self):
        from connhub import context
        from connhub.audit.things import Thing, things

        from . import environments, permissions, policies, sessions
        from .models import AdminToken, Environment, Invitation, Team, User

        permissions.states[Environment] = policies.state_of
        permissions.relations[AdminToken] = {permissions.Who.ITS_OWNER: policies.is_owner}

        context.audiences["accounts:people"] = lambda request: getattr(
            request.user, "is_super_admin", False
        )
        post_migrate.connect(environments.create_default, sender=self)
        sessions.connect_signals()
        things["user"] = Thing(User.objects.all, ("email", "name"), ["people/<uuid:public_id>/"])
        things["invitation"] = Thing(
            Invitation.objects.all, ("email",), ["people/invitations/<uuid:public_id>/"]
        )
        things["admintoken"] = Thing(
            lambda: AdminToken.objects.select_related("person"),
            ("prefix", "name"),
            ["profile/admin-tokens/<uuid:pk>/"],
        )
        things["team"] = Thing(Team.objects.all, ("name",), ["teams/<uuid:public_id>/"])
        things["environment"] = Thing(
            Environment.objects.all, ("slug", "name"), ["environments/<slug:slug>/"]
        )
