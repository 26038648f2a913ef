from django.contrib import admin

from connhub.admin_site import ReadOnlyAdmin

from .models import Connection


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = [
        "name",
        "link_name",
        "service",
        "status",
        "created_by",
        "created_at",
        "modified_at",
    ]
    list_filter = ["status", "access_mode"]
    list_select_related = ["service", "created_by"]
    search_fields = ["name", "link_name"]
    show_full_result_count = False
    fields = [
        "name", "link_name", "service", "auth_method", "description", "scopes", "access_mode",
        "status", "created_by", "created_at", "modified_at", "disabled_at", "deleted_at",
    ]  # fmt: skip
