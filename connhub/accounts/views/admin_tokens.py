"""The pages of admin tokens: one's own, and for super admins those of everybody."""

from django.db.models import CharField
from django.db.models.functions import Cast
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import trigger_client_event

from connhub.htmx import changed, wants_fragment
from connhub.paging import Order, page

from .. import admin_tokens as operations
from ..forms import AdminTokenForm
from ..models import AdminToken, User
from ..permissions import require
from ..reauthentication import recently_authenticated

NEWEST_FIRST = Order("newest first", "issued_at", "tie", descending=True)


@require_safe
@vary_on_headers("HX-Request")
def admin_tokens(request):
    return _listing(request, request.user)


@require_safe
@vary_on_headers("HX-Request")
def admin_tokens_of(request, public_id):
    """Somebody's, for super admins."""
    require(request.user, "account.administer")
    return _listing(request, get_object_or_404(User, public_id=public_id))


def _listing(request, person):
    issued = person.admin_tokens.annotate(tie=Cast("pk", CharField()))
    context = {
        "person": person,
        "is_own": person == request.user,
        "page": page(issued, NEWEST_FIRST, request.GET),
    }
    template = "_admin_tokens.html" if wants_fragment(request) else "admin_tokens.html"
    return render(request, f"accounts/{template}", context)


@require_http_methods(["GET", "POST"])
@recently_authenticated
def issue_admin_token(request):
    """Makes a token, and shows it this once."""
    form = AdminTokenForm(request.POST or None, initial={"days": operations.USUALLY.days})
    if not form.is_valid():
        return render(request, "accounts/issue_admin_token.html", {"form": form})
    token, text = operations.issue(
        form.cleaned_data["name"],
        by=request.user,
        expires_in=form.expires_in,
        read_only=form.cleaned_data["read_only"],
    )
    context = {"admin_token": token, "token": text}
    response = render(request, "accounts/issued_admin_token.html", context)
    return trigger_client_event(response, "token-changed") if request.htmx else response


@require_http_methods(["GET", "POST"])
@recently_authenticated
def revoke_admin_token(request, pk):
    """Of one's own; of anybody's for a super admin."""
    visible = AdminToken.objects.visible_to(request.user).select_related("person")
    token = get_object_or_404(visible, pk=pk)

    if request.method == "POST":
        operations.revoke(token, by=request.user)
        here = "accounts:admin_tokens" if token.person == request.user else token
        return changed(request, "token", then=here, message=f"{token} is revoked.")
    return render(request, "accounts/revoke_admin_token.html", {"admin_token": token})
