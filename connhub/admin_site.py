from collections.abc import Mapping, Sequence
from functools import update_wrapper

from django.contrib.admin import AdminSite, ModelAdmin, ShowFacets, SimpleListFilter
from django.contrib.admin.utils import unquote
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property


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


class TypedFilter(SimpleListFilter):
    """Narrows by what somebody types, where there would be too many to choose from."""

    template = "admin/typed_filter.html"
    placeholder = ""

    def lookups(self, request, model_admin):
        return ()

    def value(self):
        """What was typed, as far as a database can be asked for it."""
        return (super().value() or "").replace("\0", "").strip()[:100] or None

    def has_output(self):
        return True

    def choices(self, changelist):
        """What the form sends besides: the search and the other filters."""
        kept = changelist.filter_params.items()
        return [
            (name, value)
            for name, values in kept
            if name != self.parameter_name
            for value in values
        ]


class KnownFilter(SimpleListFilter):
    """Narrows a field to one of the values known beforehand, without asking the table for them."""

    parameter_name: str
    known: Mapping[str, str]

    def lookups(self, request, model_admin):
        return self.known.items()

    def queryset(self, request, queryset):
        chosen = self.value()
        return queryset.filter(**{self.parameter_name: chosen}) if chosen in self.known else None


MOST_COUNTED = 10_000
PER_PAGE = 50


class CappedPaginator(Paginator):
    """Counts no further than 10,000 rows: whoever has more narrows them down."""

    object_list: QuerySet

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:MOST_COUNTED].count()

    @property
    def is_capped(self) -> bool:
        return self.count == MOST_COUNTED


class ReadOnlyAdmin(ModelAdmin):
    """Shows and never changes: changes go through the pages, which ask the policies.

    Rows come newest first, which takes no sorting; a table of any length costs a page's queries.
    """

    actions = None
    about = ""
    ordering = ["-pk"]
    sortable_by = ()
    paginator = CappedPaginator
    list_per_page = PER_PAGE
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    # Titles of other lists, each with its URL name and the parameter that narrows it to this one.
    related: Sequence[tuple[str, str, str]] = ()

    def lookup_allowed(self, lookup, value, request=None):
        """By what is shown alone: a hash that is not could be guessed letter by letter."""
        filters = [each for each in self.list_filter if isinstance(each, type)]
        typed = [each.parameter_name for each in filters if issubclass(each, SimpleListFilter)]
        shown = lookup.partition(LOOKUP_SEP)[0] in [*(self.fields or ()), *typed]
        return shown and super().lookup_allowed(lookup, value, request)

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

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        has_page = obj is not None and hasattr(obj, "get_absolute_url")
        context |= {
            "product_url": obj.get_absolute_url() if has_page else "",
            "events_url": self._events_of(obj),
            "related": [
                (title, f"{reverse(f'admin:{name}_changelist')}?{parameter}={obj.pk}")
                for title, name, parameter in self.related
            ],
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def history_view(self, request, object_id, extra_context=None):
        """What happened to it stands in the audit log, and nowhere else."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        return redirect(self._events_of(obj))

    def _events_of(self, obj) -> str:
        return f"{reverse('audit:log')}?object={obj._meta.model_name}:{obj.pk}"
