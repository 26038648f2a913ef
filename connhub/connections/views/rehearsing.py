from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from connhub.services import custom
from connhub.services.views import typed

from .. import rehearsing
from ..auth import is_interactive
from ..rehearsal_form import TryForm


@sensitive_post_parameters()
@require_POST
def try_service(request):
    """Tests a service as it stands in its form; what is wrong there is shown on the form's page."""
    form, page = typed(request)
    if not form.is_valid():
        return redirect(page, preserve_request=True)
    service, method = custom.unsaved(form.definition, slug=form.link_name)
    service.pk = form.edited.pk if form.edited else None

    sample = TryForm(request.POST if "run" in request.POST else None, method=method)
    report = None
    if sample.is_valid() or not sample.fields:
        values = sample.values if sample.is_bound else {}
        report = rehearsing.try_service(service, method, values, by=request.user)
    context = {
        "service": service, "method": method, "form": sample, "report": report, "page": page,
        "is_interactive": is_interactive(method),
        "kept": [
            (name, value) for name in form.fields for value in request.POST.getlist(name)
        ],
    }  # fmt: skip
    return render(request, "connections/try_service.html", context)
