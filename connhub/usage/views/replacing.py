from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from connhub.accounts.permissions import require
from connhub.connections.models import Connection
from connhub.htmx import sent_to

from .. import replacing
from ..forms import ReplaceForm


@require_http_methods(["GET", "POST"])
def replace(request, link_name):
    """Choose a connection, look at what would move, then move it all."""
    seen = Connection.objects.visible_to(request.user).select_related("service")
    connection = get_object_or_404(seen, link_name=link_name)
    require(request.user, "connection.replace", connection)

    candidates = replacing.candidates(connection, request.user)
    typed = request.POST if request.method == "POST" else None
    form = ReplaceForm(typed, candidates=candidates)
    context = {"connection": connection, "form": form}
    if form.is_bound and form.is_valid():
        new = form.cleaned_data["to"]
        if form.was_seen and "preview" not in request.POST:
            replacing.replace(connection, by_connection=new, by=request.user)
            said = f"Everything that used {connection} uses {new} now."
            return sent_to(request, new, message=said)
        context |= {"new": new, "preview": replacing.preview(connection, new)}
    return render(request, "usage/replace.html", context)
