from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from connhub.accounts.models import Environment
from connhub.errors import Refusal
from connhub.services.models import Operation

from .. import trying
from ..try_form import TryForm


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def try_operation(request, pk):
    operation = get_object_or_404(Operation.objects.select_related("service"), pk=pk)
    connections = trying.offered(operation.service, by=request.user)
    form = TryForm(
        request.POST or None,
        operation=operation,
        connections=connections.select_related("service", "auth_method").order_by("status", "name"),
        environments=Environment.objects.all(),
    )
    context = {"operation": operation, "service": operation.service, "form": form}
    if form.is_sendable and form.is_valid():
        try:
            context["answer"] = trying.try_operation(
                operation,
                form.chosen,
                form.given,
                environment=form.chosen_environment,
                by=request.user,
            )
        except Refusal as refusal:
            form.add_error(None, refusal.text)
    return render(request, "connections/try_operation.html", context)
