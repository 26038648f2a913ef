"""What a person sees who came back from the provider as somebody else."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from .. import held_grants


@require_http_methods(["GET", "POST"])
def other_account(request, pk):
    """Asks whether the new account takes the old one's place."""
    session_key = request.session.session_key or ""
    attempt = get_object_or_404(held_grants.waiting(request.user, session_key), pk=pk)
    if request.method == "GET":
        context = {
            "attempt": attempt,
            "connection": attempt.connection,
            "before": held_grants.account_before(attempt),
        }
        return render(request, "connections/other_account.html", context)
    if request.POST.get("answer") == "yes":
        credential = held_grants.accept(attempt, by=request.user, session_key=session_key)
        return connected(request, credential, then=attempt.then)
    held_grants.decline(attempt, by=request.user, session_key=session_key)
    messages.success(request, "Nothing was changed.")
    return redirect("sign_ins" if attempt.login_user else attempt.connection)


def connected(request, credential, then=""):
    """Where a person goes who has signed in, `then` or what it belongs to, and what is said there."""
    connection, is_own = credential.connection, credential.user is not None
    said = f"You are signed in to {connection}." if is_own else f"{connection} is connected."
    messages.success(request, said)
    return redirect(then or ("sign_ins" if is_own else connection))
