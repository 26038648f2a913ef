from django.contrib import admin

from connhub.accounts.admin import TeamGrantAdmin, UserGrantAdmin
from connhub.admin_site import ReadOnlyAdmin

from .models import OAuthApp, Service, ServiceTeamGrant, ServiceUserGrant


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "origin", "category", "listed"]
    list_filter = ["origin", "listed", "category"]
    search_fields = ["name", "slug"]
    fields = [
        "name", "slug", "version", "origin", "category", "base_url", "allowed_hosts",
        "allowed_methods", "allowed_paths", "driver", "docs_url", "listed",
    ]  # fmt: skip
    related = [
        ("Connections", "connections_connection", "service__id__exact"),
        ("OAuth apps", "services_oauthapp", "service__id__exact"),
        ("Grants to people", "services_serviceusergrant", "content_object__id__exact"),
        ("Grants to teams", "services_serviceteamgrant", "content_object__id__exact"),
    ]


@admin.register(OAuthApp)
class OAuthAppAdmin(ReadOnlyAdmin):
    """Without the client secret in any form."""

    list_display = ["client_id", "service", "environment", "shared", "created_at", "changed_at"]
    list_filter = ["shared", "environment"]
    list_select_related = ["service", "environment"]
    search_fields = ["client_id", "service__name"]
    ordering = ["-created_at"]
    fields = [
        "client_id", "service", "environment", "shared", "created_by", "created_at", "changed_by",
        "changed_at",
    ]  # fmt: skip


admin.site.register(ServiceUserGrant, UserGrantAdmin)
admin.site.register(ServiceTeamGrant, TeamGrantAdmin)
