from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q
from django.utils.formats import date_format
from django.utils.timezone import localtime

from connhub.accounts.admin import TeamGrantAdmin, UserGrantAdmin
from connhub.accounts.models import User
from connhub.admin_site import ReadOnlyAdmin, TypedFilter
from connhub.audit.log import record

from . import listing
from .models import Connection, ConnectionTeamGrant, ConnectionUserGrant, Credential


class ConnectionList(ChangeList):
    """The rows with their admins and use: a query for each of both, however many rows."""

    def get_results(self, request):
        super().get_results(request)
        self.result_list = found = list(self.result_list)
        ids = [connection.pk for connection in found]
        people, use = listing.admins(ids), listing.uses(ids, request.user)
        for connection in found:
            connection.people, connection.use = people[connection.pk], use[connection.pk]


class OwnerFilter(TypedFilter):
    title = parameter_name = "owner"
    placeholder = "Name or e-mail"

    def queryset(self, request, connections):
        if not (text := self.value()):
            return None
        owners = User.objects.filter(Q(name__icontains=text) | Q(email__icontains=text))
        return connections.filter(created_by__in=owners)


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = ["name", "link_name", "service", "status", "created_by", "admins", "last_used"]
    list_filter = [
        OwnerFilter,
        "status",
        "access_mode",
        "login_user",
        ("disabled_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["service", "created_by"]
    search_fields = ["name", "link_name", "created_by__email"]
    fields = [
        "name", "link_name", "service", "auth_method", "description", "tags", "scopes",
        "login_user", "access_mode", "status", "created_by", "admins", "last_used", "created_at",
        "modified_at", "disabled_at", "deleted_at",
    ]  # fmt: skip
    related = [
        ("Credentials", "connections_credential", "connection__id__exact"),
        ("Grants to people", "connections_connectionusergrant", "content_object__id__exact"),
        ("Grants to teams", "connections_connectionteamgrant", "content_object__id__exact"),
        ("Calls by day", "usage_callday", "connection__id__exact"),
    ]

    def get_changelist(self, request, **kwargs):
        return ConnectionList

    def get_object(self, request, object_id, from_field=None):
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.people = listing.admins([found.pk])[found.pk]
            found.use = listing.uses([found.pk], request.user)[found.pk]
        return found

    def admins(self, connection):
        return ", ".join(map(str, connection.people)) or "–"

    def last_used(self, connection):
        moment = connection.use.last_used_at
        return date_format(localtime(moment), "j M Y, H:i") if moment else None


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """How each stands; what is sealed in it does not even leave the database."""

    about = "How they stand; no secret, sealed or not, is to be seen"
    list_display = [
        "connection", "environment", "user", "status", "account", "connected_at", "expires_at",
        "tested_at",
    ]  # fmt: skip
    list_filter = ["status", "environment", "renewable"]
    list_select_related = ["connection", "environment", "user"]
    search_fields = ["connection__name", "connection__link_name", "user__email"]
    ordering = ["-connection_id", "-pk"]
    fields = [
        "connection", "environment", "user", "status", "account", "scopes_granted", "connected_at",
        "expires_at", "renewable", "renewed_at", "refresh_failures", "next_refresh_at",
        "tested_at", "last_error", "certificate_ends_at",
    ]  # fmt: skip

    def get_queryset(self, request):
        return super().get_queryset(request).defer("payload", "test_report")

    def change_view(self, request, object_id, form_url="", extra_context=None):
        response = super().change_view(request, object_id, form_url, extra_context)
        if credential := self.get_object(request, object_id):
            record("credential.looked_at", by=request.user, on=credential.connection, change=False)
        return response


admin.site.register(ConnectionUserGrant, UserGrantAdmin)
admin.site.register(ConnectionTeamGrant, TeamGrantAdmin)
