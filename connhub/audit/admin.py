from django.contrib import admin

from connhub.admin_site import ReadOnlyAdmin

from .models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["sequence", "at", "actor", "action", "object", "outcome", "ip"]
    list_filter = ["outcome"]
    search_fields = ["actor", "action", "object"]
    show_full_result_count = False
    fields = [
        "sequence", "at", "actor_type", "actor", "ip", "action", "object_type", "object",
        "outcome", "fields", "detail", "request_id",
    ]  # fmt: skip
