from django.contrib import admin

from connhub.admin_site import ReadOnlyAdmin

from .models import Environment, Team, User


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["name", "email", "role", "is_active", "joined_at", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["name", "email"]
    fields = ["name", "email", "role", "is_active", "joined_at", "last_login", "groups"]
    related = [
        ("Grants on connections", "connections_connectionusergrant", "user__id__exact"),
        ("Grants on integrations", "usage_integrationusergrant", "user__id__exact"),
    ]


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
    fields = list_display


class TeamGrantAdmin(ReadOnlyAdmin):
    """Which teams administer which objects of a kind; registered beside each kind."""

    list_display = ["content_object", "group", "granted_by", "granted_at"]
    list_select_related = ["content_object", "group", "granted_by"]
    search_fields = ["content_object__name", "group__name"]
    fields = list_display
