"""Export and import: the pages of `connections.bundles`."""

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from connhub.accounts.reauthentication import authenticated_again
from connhub.htmx import HttpResponseSeeOther, wants_fragment

from .. import listing, policies, tasks
from ..auth import is_interactive
from ..bundle_forms import ALL, SHOWN, THESE, DecisionForm, ExportForm, UploadForm
from ..bundles import exporting, imports
from ..bundles.document import BadFile
from ..bundles.models import Import
from ..bundles.preview import Choice, State, fingerprint
from ..forms import FilterForm
from ..listing import is_filtered
from ..models import Connection

PER_PAGE = 50


@require_http_methods(["GET", "POST"])
@authenticated_again
def export(request):
    theirs = Connection.objects.administered_by(request.user)
    shown = _as_filtered(request, theirs)
    ticked = (sent.getlist("link_name") for sent in (request.POST, request.left, request.GET))
    selected: list[str] = next(filter(None, ticked), [])
    choices = [(ALL, f"All {theirs.count():,} that you administer")]
    if shown is not None:
        choices.append((SHOWN, f"The {shown.count():,} that the listing showed"))
    choices.append((THESE, "These alone"))
    what = THESE if selected else SHOWN if shown is not None else ALL
    is_sent = request.method == "POST" and "sealed_by" in request.POST
    form = ExportForm(
        request.POST if is_sent else None,
        choices=choices,
        initial={"what": what, "link_names": "\n".join(selected)},
    )
    if not (is_sent and form.is_valid()):
        status = HTTPStatus.UNPROCESSABLE_ENTITY if is_sent else HTTPStatus.OK
        return render(request, "connections/export.html", {"form": form}, status=status)
    wanted = {ALL: theirs, SHOWN: shown}.get(form.cleaned_data["what"])
    if wanted is None:
        wanted = _named(request, form.cleaned_data["link_names"])
    file = exporting.export(
        wanted,
        with_secrets=form.cleaned_data["secrets"],
        sealed_under=form.sealed_under,
        by=request.user,
    )
    return _download(file)


def _download(file):
    day = timezone.localdate().isoformat()
    return HttpResponse(
        file,
        content_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="connections-{day}.connhub"'},
    )


def _as_filtered(request, theirs):
    """Those that the listing's filter in the URL leaves; None if there is none."""
    filters = FilterForm.over(request.GET, theirs)
    if not is_filtered(filters.wanted):
        return None
    return listing.filtered(theirs, filters.wanted, request.user)


def _named(request, link_names):
    """Those of the link names: 404 if one isn't seen, 403 if one isn't theirs to export."""
    seen = Connection.objects.visible_to(request.user).filter(link_name__in=link_names)
    found = list(seen.only("pk"))
    if len(found) < len(link_names):
        raise Http404
    policies.require_admin_of_all(request.user, found)
    return Connection.objects.live().filter(pk__in=[connection.pk for connection in found])


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def upload(request):
    form = UploadForm(request.POST or None, request.FILES or None)
    status = HTTPStatus.OK
    if form.is_bound:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if form.is_valid():
            try:
                return HttpResponseSeeOther(_open(request, form).get_absolute_url())
            except (BadFile, imports.NotOpened) as refusal:
                name = "passphrase" if isinstance(refusal, imports.NotOpened) else "file"
                form.add_error(name, refusal.text)
    context = {"form": form, "waiting": _imports(request).defer("content")}
    return render(request, "connections/import.html", context, status=status)


def _open(request, form):
    cleaned = form.cleaned_data
    bundle = imports.open_file(cleaned["file"], cleaned["passphrase"], by=request.user)
    return imports.keep(bundle, by=request.user)


def _imports(request):
    return Import.objects.filter(user=request.user, expires_at__gt=timezone.now())


@require_http_methods(["GET", "POST"])
def one_import(request, pk: UUID):
    row = get_object_or_404(_imports(request).select_related("user"), pk=pk)
    if request.method == "POST" and "drop" in request.POST:
        imports.drop(row, by=request.user)
        messages.success(request, "The file is forgotten. Nothing was imported.")
        return HttpResponseSeeOther("../")
    if not imports.is_open(row):
        return _progress(request, row)
    return _preview(request, row)


def _progress(request, row):
    context = {"row": row, "is_over": row.phase == Import.Phase.DONE}
    if request.method == "POST":
        raise imports.UnderWay
    fragment = "connections/_import_progress.html"
    template = fragment if wants_fragment(request) else "connections/import_progress.html"
    return render(request, template, context)


def _preview(request, row):
    if wants_fragment(request):  # it was under way, and the page must change as a whole
        return HttpResponse(headers={"HX-Refresh": "true"})
    entries = imports.look_at(row)
    order = sorted(entries, key=lambda entry: entry.state)
    page = _page_number(request, len(order))
    shown = order[(page - 1) * PER_PAGE : page * PER_PAGE]
    form = DecisionForm(request.POST or None, decisions=imports.decisions_of(row), shown=shown)
    if form.is_valid():
        return _decided(request, row, form)
    return render(
        request, "connections/import_preview.html", _context(row, entries, shown, form, page)
    )


def _decided(request, row, form):
    has_seen = form.decided == imports.decisions_of(row)
    imports.decide(row, form.decided, by=request.user)
    if "apply" in request.POST and not has_seen:
        messages.warning(request, "Your choices change what happens. Look at it, then import.")
    if "apply" not in request.POST or not has_seen:
        page = request.POST.get("page", "")
        return HttpResponseSeeOther(f"?page={page}" if page.isdecimal() and len(page) < 6 else "?")
    seen = request.POST.get("seen", "")[:64]
    imports.start(row, seen=seen, by=request.user, enqueue=tasks.enqueue_import)
    return HttpResponseSeeOther(row.get_absolute_url())


def _page_number(request, count):
    asked = request.GET.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1
    return max(1, min(number, -(-count // PER_PAGE)))


def _context(row, entries, shown, form, page):
    pages = max(1, -(-len(entries) // PER_PAGE))
    counts = [(state, sum(entry.state == state for entry in entries)) for state in State]
    coming = [entry for entry in entries if entry.choice != Choice.KEEP]
    return {
        "row": row,
        "is_stuck": imports.is_stuck(row),
        "form": form,
        "shown": [(entry, form.decisions.single.get(entry.item.link_name, "")) for entry in shown],
        "counts": [(state, count) for state, count in counts if count],
        "coming": len(coming),
        "replaced": sum(entry.choice == Choice.REPLACE for entry in coming),
        "grants": any(
            entry.item.credentials and is_interactive(entry.target.method)
            for entry in entries
            if entry.target
        ),
        "new_services": sorted(
            {
                entry.target.service.name
                for entry in coming
                if entry.target and entry.target.service.pk is None
            }
        ),
        "seen": fingerprint(entries),
        "page": page,
        "pages": pages,
        "total": len(entries),
    }
