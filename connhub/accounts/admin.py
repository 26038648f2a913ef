from django.contrib import admin

from connhub.admin_site import ReadOnlyAdmin

from .models import AdminToken, Environment, Invitation, SecondFactor, Session, Team, User


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["name", "email", "role", "is_active", "joined_at", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["name", "email"]
    fields = ["name", "email", "role", "is_active", "joined_at", "last_login", "groups"]
    related = [
        ("Connections they created", "connections_connection", "created_by__id__exact"),
        ("Grants on connections", "connections_connectionusergrant", "user__id__exact"),
        ("Grants on integrations", "usage_integrationusergrant", "user__id__exact"),
        ("Sessions", "accounts_session", "user__id__exact"),
        ("Second factor", "accounts_secondfactor", "user__id__exact"),
        ("Admin tokens", "accounts_admintoken", "person__id__exact"),
    ]


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Without the hash of the token in its link."""

    list_display = ["email", "role", "invited_by", "expires_at"]
    list_filter = ["role"]
    list_select_related = ["invited_by"]
    search_fields = ["email"]
    fields = ["email", "role", "invited_by", "expires_at"]


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is signed in where. No page of a single one: its address would hold the session's key."""

    about = "Browsers that people are signed in with; each person ends their own under My profile"
    list_display = ["user", "device", "ip", "started_at", "seen_at", "expire_date"]
    list_display_links = None
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email"]
    ordering = ["-expire_date"]
    fields = ["user", "device", "ip", "started_at", "seen_at", "expire_date"]

    def get_queryset(self, request):
        return super().get_queryset(request).exclude(user=None).defer("session_data")

    def get_object(self, request, object_id, from_field=None):
        return None


@admin.register(AdminToken)
class AdminTokenAdmin(ReadOnlyAdmin):
    """Without the hash. Each leads to the page where it is revoked."""

    about = (
        "What programs present to act for somebody; a person's page of admin tokens revokes them"
    )
    list_display = ["name", "prefix", "person", "read_only", "expires_at", "revoked_at"]
    list_filter = ["read_only", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["person"]
    ordering = ["-issued_at"]
    search_fields = ["name", "prefix", "person__name", "person__email"]
    fields = [
        "name", "prefix", "person", "read_only", "issued_at", "expires_at", "revoked_at",
        "last_used_at",
    ]  # fmt: skip


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnlyAdmin):
    """Without the seed; of recovery codes, only how many are left."""

    list_display = ["user", "confirmed_at", "wrong_codes", "wrong_since"]
    list_filter = [("confirmed_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email"]
    fields = ["user", "confirmed_at", "recovery_codes", "wrong_codes", "wrong_since"]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("seed")

    def recovery_codes(self, factor):
        return f"{factor.user.recovery_codes.count()} left"

    def _events_of(self, factor):
        return super()._events_of(factor.user)


@admin.register(Team)
class TeamAdmin(ReadOnlyAdmin):
    list_display = ["name"]
    search_fields = ["name"]
    fields = ["name", "people"]

    def people(self, team):
        return ", ".join(str(person) for person in team.user_set.all()[:200]) or "–"


@admin.register(Environment)
class EnvironmentAdmin(ReadOnlyAdmin):
    list_display = ["name", "short", "position"]
    ordering = ["position"]
    fields = ["name", "slug", "short", "position"]


class UserGrantAdmin(ReadOnlyAdmin):
    """Which people administer which objects of a kind; registered beside each kind."""

    list_display = ["content_object", "user", "granted_by", "granted_at", "to_self"]
    list_select_related = ["content_object", "user", "granted_by"]
    list_filter = ["to_self"]
    search_fields = ["content_object__name", "user__name", "user__email"]
    fields = ["content_object", "user", "granted_by", "granted_at", "to_self"]


class TeamGrantAdmin(ReadOnlyAdmin):
    """Which teams administer which objects of a kind; registered beside each kind."""

    list_display = ["content_object", "group", "granted_by", "granted_at"]
    list_select_related = ["content_object", "group", "granted_by"]
    search_fields = ["content_object__name", "group__name"]
    fields = ["content_object", "group", "granted_by", "granted_at"]
