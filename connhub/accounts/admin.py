from django.contrib import admin

from connhub.admin_site import ReadOnlyAdmin

from .models import Environment, User


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["name", "email", "role", "is_active", "joined_at", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["name", "email"]
    fields = ["name", "email", "role", "is_active", "joined_at", "last_login"]


@admin.register(Environment)
class EnvironmentAdmin(ReadOnlyAdmin):
    list_display = ["name", "short", "position"]
    fields = ["name", "slug", "short", "position"]
