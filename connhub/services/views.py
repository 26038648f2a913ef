from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from connhub.htmx import wants_fragment

from .gallery import Gallery
from .models import Service


@require_safe
def listing(request):
    context = {"gallery": Gallery(request.GET)}
    template = "services/_tiles.html" if wants_fragment(request) else "services/list.html"
    return render(request, template, context)


@require_safe
def detail(request, slug):
    service = get_object_or_404(Service.objects.prefetch_related("auth_methods"), slug=slug)
    return render(request, "services/detail.html", {"service": service})
