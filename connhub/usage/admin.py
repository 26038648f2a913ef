from django.contrib import admin

from connhub.accounts.admin import TeamGrantAdmin, UserGrantAdmin
from connhub.admin_site import ReadOnlyAdmin

from .models import (
    CallDay,
    Flow,
    Integration,
    IntegrationKey,
    IntegrationTeamGrant,
    IntegrationUserGrant,
    Project,
)


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug"]
    fields = ["name", "slug"]


@admin.register(Integration)
class IntegrationAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "project", "kind", "created_at"]
    list_select_related = ["project"]
    related = [
        ("Keys", "usage_integrationkey", "integration__id__exact"),
        ("Flows", "usage_flow", "integration__id__exact"),
        ("Grants to people", "usage_integrationusergrant", "content_object__id__exact"),
        ("Grants to teams", "usage_integrationteamgrant", "content_object__id__exact"),
    ]
    list_filter = ["kind"]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "project", "kind", "created_at"]


@admin.register(Flow)
class FlowAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "integration", "saved_at"]
    list_select_related = ["integration"]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "integration", "saved_at"]


@admin.register(IntegrationKey)
class IntegrationKeyAdmin(ReadOnlyAdmin):
    """Without the hash: whoever reads it here could do nothing with it, and needn't."""

    list_display = ["name", "prefix", "integration", "environment", "expires_at", "revoked_at"]
    list_filter = ["environment", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["integration", "environment"]
    ordering = ["-issued_at"]
    search_fields = ["name", "prefix"]
    fields = [
        "name", "prefix", "integration", "environment", "issued_at", "issued_by", "expires_at",
        "revoked_at", "last_used_at",
    ]  # fmt: skip


@admin.register(CallDay)
class CallDayAdmin(ReadOnlyAdmin):
    """The calls of each day; single calls are in the call log."""

    about = "Calls by connection, integration, environment and day"
    list_display = ["day", "connection", "integration", "environment", "ok", "failed", "last_at"]
    list_filter = ["environment"]
    list_select_related = ["connection", "integration", "environment"]
    search_fields = ["connection__link_name", "integration__slug"]
    fields = ["day", "connection", "integration", "environment", "ok", "failed", "last_at"]


admin.site.register(IntegrationUserGrant, UserGrantAdmin)
admin.site.register(IntegrationTeamGrant, TeamGrantAdmin)
