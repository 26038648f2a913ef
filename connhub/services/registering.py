from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from connhub.accounts.permissions import require
from connhub.htmx import changed

from . import custom
from .models import Service
from .register_forms import RegisterForm, UploadForm


@require_http_methods(["GET", "POST"])
def register(request):
    """Takes the document first, then what is corrected in what it says."""
    require(request.user, "service.create")
    if "document" in request.POST:
        return _define(request, RegisterForm(request.POST))
    is_sent = request.method == "POST"
    form = UploadForm(request.POST, request.FILES) if is_sent else UploadForm()
    if form.is_bound and form.is_valid():
        return _define(request, RegisterForm(initial=form.found))
    context = {"form": form, "categories": _categories()}
    return render(request, "services/register.html", context)


def _define(request, form):
    if form.is_valid():
        slug = form.cleaned_data["slug"]
        service = custom.create(form.definition, slug=slug, by=request.user)
        return changed(request, "service", then=service, message=f"{service} is registered.")
    context = {"form": form, "kept": form.kept, "categories": _categories()}
    return render(request, "services/register_endpoints.html", context)


def _categories():
    return Service.objects.order_by("category").values_list("category", flat=True).distinct()
