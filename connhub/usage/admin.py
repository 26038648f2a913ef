from django.contrib import admin

from connhub.admin_site import ReadOnlyAdmin

from .models import Flow, Integration, IntegrationKey, Project


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug"]
    fields = ["name", "slug"]


@admin.register(Integration)
class IntegrationAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "project", "kind", "created_at"]
    list_filter = ["kind"]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "project", "kind", "created_at"]


@admin.register(Flow)
class FlowAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "integration", "saved_at"]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "integration", "saved_at"]


@admin.register(IntegrationKey)
class IntegrationKeyAdmin(ReadOnlyAdmin):
    """Without the hash: whoever reads it here could do nothing with it, and needn't."""

    list_display = ["name", "prefix", "integration", "environment", "expires_at", "revoked_at"]
    list_filter = ["environment"]
    search_fields = ["name", "prefix"]
    fields = [
        "name", "prefix", "integration", "environment", "issued_at", "issued_by", "expires_at",
        "revoked_at", "last_used_at",
    ]  # fmt: skip
