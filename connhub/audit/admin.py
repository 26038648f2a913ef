from django.contrib import admin

from connhub.admin_site import KnownFilter, ReadOnlyAdmin

from .log import record
from .models import Event
from .sentences import KINDS, OUTCOMES


class OutcomeFilter(KnownFilter):
    title = parameter_name = "outcome"
    known = OUTCOMES


class KindFilter(KnownFilter):
    title = parameter_name = "kind"
    known = KINDS


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """The record as it stands in the table; reading it here is on record too."""

    about = "The audit log has more filters, and the export"
    list_display = ["sequence", "at", "sentence", "outcome", "ip"]
    list_filter = [OutcomeFilter, KindFilter]
    search_fields = ["request_id__exact"]
    search_help_text = "Id of a request"
    ordering = ["-at", "-sequence"]
    fields = [
        "sequence", "at", "actor_type", "actor_id", "actor", "ip", "action", "object_type",
        "object_id", "object", "outcome", "fields", "detail", "request_id",
    ]  # fmt: skip

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        detail = {"filters": request.GET.urlencode()[:200]}
        record("audit.read", by=request.user, detail=detail, change=False)
        return response

    def change_view(self, request, object_id, form_url="", extra_context=None):
        response = super().change_view(request, object_id, form_url, extra_context)
        record("audit.read", by=request.user, detail={"event": object_id[:20]}, change=False)
        return response
