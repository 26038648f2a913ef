from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connhub.connections"

    def ready(self):
        from connhub import context
        from connhub.accounts import permissions, resealing
        from connhub.accounts.people import leaving
        from connhub.accounts.permissions import Who
        from connhub.audit.things import Thing, things
        from connhub.sharing import kinds, roles

        from . import expiry, listing, policies, unreadable
        from .connect_links.validity import withdraw_of
        from .endings import SOURCES
        from .login_users import forget
        from .models import Connection, ConnectLink

        permissions.relations[Connection] = {
            Who.ITS_ADMIN: roles.is_admin,
            Who.ITS_USER: policies.is_user,
        }
        permissions.states[Connection] = policies.state_of

        context.counted[listing.URL_NAME] = lambda request: Connection.objects.visible_to(
            request.user
        )
        expiry.sources[:0] = SOURCES
        # First: it writes no event, and the record's lock comes last.
        leaving.connect(withdraw_of, dispatch_uid="connections.withdraw_links")
        leaving.connect(forget, dispatch_uid="connections.forget")
        resealing.found_unreadable.connect(unreadable.note, dispatch_uid="connections.unreadable")
        resealing.rotated.connect(unreadable.look_again, dispatch_uid="connections.look_again")
        kinds.add(
            kinds.Kind(
                model=Connection,
                key="link_name",
                live=Connection.objects.live,
                visible_to=lambda user: Connection.objects.visible_to(user).select_related(
                    "service"
                ),
                may="change, test, share, revoke and delete",
                loses="will no longer see",
                stays="Flows that use it go on.",
                listing="connections:list",
            )
        )
        things["connection"] = Thing(
            Connection.objects.live,
            ("link_name", "name"),
            named_in=[
                "connections/<slug:link_name>/",
                "connections/<slug:key>/share/",
                "integrations/<slug:slug>/connections/<slug:link_name>/",
                "profile/sign-ins/<slug:link_name>/",
                "api/v1/admin/connections/<slug:link_name>",
                "api/v1/admin/deleted-connections/<slug:link_name>",
            ],
            ever=Connection.objects.all,
        )
        things["connectlink"] = Thing(ConnectLink.objects.all, named_in=["connect/<uuid:pk>/"])
