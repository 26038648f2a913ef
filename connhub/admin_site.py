from functools import update_wrapper

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator


class SuperAdminSite(AdminSite):
    """Django admin behind ConnHub's own sign-in; whoever is no super admin finds nothing here."""

    site_header = site_title = "ConnHub"
    index_title = "Everything in the account"
    site_url = "/"

    def has_permission(self, request):
        return request.user.is_authenticated and request.user.is_super_admin

    def admin_view(self, view, cacheable=False):
        admitted = super().admin_view(view, cacheable)

        def for_super_admins(request, *args, **kwargs):
            self._hide_from_others(request)
            return admitted(request, *args, **kwargs)

        return update_wrapper(for_super_admins, admitted)

    @method_decorator(login_not_required)
    def login(self, request, extra_context=None):
        """To ConnHub's sign-in, which throttles and keeps the record."""
        self._hide_from_others(request)
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(self, request, extra_context=None):
        return redirect("accounts:password")

    def _hide_from_others(self, request) -> None:
        if request.user.is_authenticated and not self.has_permission(request):
            raise Http404


class ReadOnlyAdmin(ModelAdmin):
    """Shows and never changes: changes go through the pages, which ask the policies."""

    actions = None

    def has_module_permission(self, request):
        return True

    def has_view_permission(self, request, obj=None):
        return True

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
