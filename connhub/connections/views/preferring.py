"""How a person likes the listing: saved views, columns, and the keys that work there."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connhub.htmx import HttpResponseSeeOther, wants_fragment

from .. import preferences
from ..forms import FilterForm
from ..models import Connection
from ..preference_forms import ColumnsForm, ViewForm


@require_http_methods(["GET", "POST"])
def saved_views(request):
    """The person's saved views. A POST saves the listing's filter in the URL under a name."""
    form = ViewForm(request.POST if request.method == "POST" else None)
    query = _query(request)
    if form.is_valid() and query:
        view = preferences.save_view(request.user, form.cleaned_data["name"], query)
        messages.success(request, f"{view} is saved.")
        return HttpResponseSeeOther(view.get_absolute_url())
    views = request.user.saved_views.all()
    context = {"form": form, "query": query, "views": views}
    return render(request, "connections/saved_views.html", context)


def _query(request):
    visible = Connection.objects.visible_to(request.user)
    filters = FilterForm.over(request.GET, visible)
    return preferences.query_of(filters.wanted)


@require_POST
def delete_view(request, public_id):
    view = get_object_or_404(request.user.saved_views, public_id=public_id)
    view.delete()
    messages.success(request, f"{view} is deleted.")
    return HttpResponseSeeOther(reverse("connections:saved_views"))


@require_http_methods(["GET", "POST"])
def columns(request):
    form = ColumnsForm(
        request.POST if request.method == "POST" else None,
        initial={"columns": preferences.columns_of(request.user)},
    )
    if form.is_valid():
        preferences.choose_columns(request.user, form.cleaned_data["columns"])
        return HttpResponseSeeOther(reverse("connections:list"))
    return render(request, "connections/columns.html", {"form": form})


@require_safe
def keys(request):
    """The keys that work in the listing."""
    template = "keys" if wants_fragment(request) else "keys_page"
    return render(request, f"connections/{template}.html")
