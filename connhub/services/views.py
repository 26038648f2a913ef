from urllib.parse import urlencode

from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Environment
from connhub.accounts.permissions import may, require
from connhub.htmx import changed, swap, wants_fragment
from connhub.lookup import named_or_404
from connhub.paging import Order, page

from . import custom, oauth_apps
from .api_key_form import ApiKeyForm
from .app_form import AppForm
from .forms import BasicForm, BearerForm, NoAuthForm, ServiceForm, details_of
from .gallery import Gallery
from .jwt_form import JwtForm
from .models import Service
from .oauth1_form import OAuth1Form
from .oauth_forms import AuthorizationCodeForm, ClientCredentialsForm
from .preview import preview
from .row_forms import RowsForm
from .sigv4_form import SigV4Form
from .two_step_form import TwoStepForm

FORMS = {
    form.kind: form
    for form in (
        *(AuthorizationCodeForm, ClientCredentialsForm, ApiKeyForm),
        *(BearerForm, BasicForm, NoAuthForm),
        *(OAuth1Form, TwoStepForm, JwtForm, SigV4Form),
    )
}
OPERATIONS, BY_PATH = 50, Order("path", "path", "pk")
OAUTH = {"oauth2_code": "Authorization code", "oauth2_client_credentials": "Client credentials"}
TYPES = {
    "oauth2_code": ("OAuth 2.0", "People sign in at the service, or ConnHub gets tokens itself."),
    "oauth1": ("OAuth 1.0a", "People sign in at the service, and every call is signed."),
    "api_key": ("API key", "One or several keys in headers, the query string or a form body."),
    "bearer": ("Bearer token", "A token from the service in the Authorization header."),
    "basic": ("Basic", "User name and password in the Authorization header."),
    "two_step": ("Two-step login", "A sign-in request brings a token for the calls."),
    "jwt_bearer": (
        "Service account",
        "A JWT signed with a key is exchanged for a token, or sent itself.",
    ),
    "aws_sigv4": ("AWS SigV4", "Every call is signed with an AWS access key."),
    "none": ("No authentication", "A service that asks nobody who they are."),
}


@require_safe
def listing(request):
    return show_gallery(request, "services/list.html", into="services:detail")


def show_gallery(request, page_template, *, into, carried=None, **more):
    """The gallery, its tiles leading to the URLs named `into`; or what htmx wants of it.

    Every link of it carries the query `carried`; `more` is context.
    """
    gallery = Gallery(request.GET)
    is_more = wants_fragment(request) and gallery.page > 1
    fragment = "services/_tile_page.html" if is_more else "services/_tiles.html"
    context = {"gallery": gallery, "into": into, "carried": carried or {}, "is_more": is_more}
    template = fragment if wants_fragment(request) else page_template
    return render(request, template, context | more)


@require_safe
@vary_on_headers("HX-Request")
def detail(request, slug):
    service = get_object_or_404(Service, slug=slug)
    shown = _operations(request, service)
    if wants_fragment(request):
        return render(request, "services/_operations.html", shown)
    sets_apps = may(request.user, "service.set_app", service)
    context = {
        "service": service,
        "methods": service.auth_methods.offered(),
        "endpoints": service.endpoints.exclude(environment=None).select_related("environment"),
        "connections": service.connections.visible_to(request.user)[:10],
        "may_administer": may(request.user, "service.edit", service),
        "may_see_admins": may(request.user, "service.see_admins", service),
        "may_list": may(request.user, "service.list", service),
        "may_duplicate": may(request.user, "service.create") and not service.driver,
        "shows_apps": sets_apps and oauth_apps.is_shareable(service),
        "apps": oauth_apps.shared(service) if sets_apps else [],
        "unset": Environment.objects.exclude(oauthapp__in=oauth_apps.shared(service)),
        "redirect_uri": oauth_apps.redirect_uri(service),
    }
    return render(request, "services/detail.html", context | shown)


def _operations(request, service):
    """A page of its operations, those that have what is looked for."""
    find = request.GET.get("find", "").replace("\0", "").strip()[:80]
    found = service.operations.matching(find)
    return {
        "find": find,
        "operations": page(found, BY_PATH, request.GET, OPERATIONS),
        "operation_text": f"{found.count():,} by path",
        "operation_count": service.operations.count(),
        "operation_size": OPERATIONS,
    }


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def new(request):
    require(request.user, "service.create")
    kind, form = _new_form(request)
    if form is None:
        return render(request, "services/types.html", {"types": TYPES})
    if request.method == "POST" and _is_final(request) and form.is_valid():
        slug = form.cleaned_data["slug"]
        service = custom.create(form.definition, slug=slug, by=request.user)
        return changed(request, "service", then=service, message=f"{service} is made.")
    return _show(request, form, {"types": TYPES, "grants": OAUTH, "kind": kind})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def edit(request, slug):
    service = get_object_or_404(Service, slug=slug)
    require(request.user, "service.edit", service)
    stored = custom.definition_of(service)
    methods, kind, form = _edit_form(request, service, stored)
    if request.method == "POST" and _is_final(request) and form.is_valid():
        edited = [form.method if m is methods[kind] else m for m in stored.methods]
        kept = {"version": stored.version, "summary": stored.summary}
        custom.edit(service, form.definition_with(edited, **kept), by=request.user)
        return changed(request, "service", then=service, message="Saved.")
    others = [method for method in methods.values() if len(methods) > 1]
    return _show(request, form, {"service": service, "kind": kind, "methods": others})


def typed(request) -> tuple[ServiceForm, str]:
    """The form as it was sent to be tried, and the address of the page that it stands on.

    The query names what the page's own does, and the service (`service=slug`) if one is edited.

    Raises: PermissionDenied; Http404, for a type that there is no form for.
    """
    require(request.user, "service.create")
    query = {name: value for name, value in request.GET.items() if name in ("type", "like")}
    if "service" in request.GET:
        service = named_or_404(Service, slug=request.GET["service"])
        require(request.user, "service.edit", service)
        _, kind, form = _edit_form(request, service, custom.definition_of(service))
        url = reverse("services:edit", args=[service.slug])
    else:
        kind, form = _new_form(request)
        url = reverse("services:new")
    if form is None:
        raise Http404
    return form, f"{url}?{urlencode(query | {'type': kind})}"


def _new_form(request):
    """The type of the request's form and the form; None while no type is chosen."""
    model = _model(request)
    kind = request.GET.get("type") or (model and model.methods[0].kind)
    if kind not in FORMS:
        return kind, None
    return kind, _form(request, kind, _initial(model, kind) if model else {}, base=model)


def _edit_form(request, service, stored):
    """The service's methods by type, the one that is edited, and its form. Raises: Http404."""
    methods = {method.kind: method for method in stored.methods if method.kind in FORMS}
    if not methods:
        raise Http404
    kind = request.GET.get("type")
    kind = kind if kind in methods else next(iter(methods))
    form = _form(request, kind, _initial(stored, kind), service=service, base=stored)
    return methods, kind, form


def _model(request) -> custom.Definition | None:
    """The service that a new one should be like, if the request names one."""
    like = Service.objects.filter(slug=request.GET.get("like", "").replace("\0", "")).first()
    definition = custom.definition_of(like) if like else None
    if not definition or not any(method.kind in FORMS for method in definition.methods):
        return None
    definition.methods = [method for method in definition.methods if method.kind in FORMS]
    definition.name = f"{definition.name} 2"[:80]
    return definition


def _initial(definition, kind):
    method = next((m for m in definition.methods if m.kind == kind), None)
    return details_of(definition) | (FORMS[kind].initial_of(method) if method else {})


def _form(request, kind, initial, **more):
    """The form of that kind of auth method, bound unless it only grows by a row."""
    kind_of_form: type[ServiceForm] = FORMS[kind]
    sent = request.method == "POST"
    more["initial"] = initial
    if issubclass(kind_of_form, RowsForm):
        rows = request.POST.get("rows", "") if sent else str(kind_of_form.rows_in(initial))
        more["rows"] = int(rows) if rows.isascii() and rows.isdigit() and len(rows) < 3 else 1
    if sent and "rows" in more and "add" in request.POST:
        fields = kind_of_form(**more).fields
        more["initial"] = {name: request.POST.get(name, "") for name in fields}
        more["rows"] += 1
        return kind_of_form(**more)
    return kind_of_form(request.POST if sent else None, **more)


def _is_final(request) -> bool:
    return not {"preview", "add", "test"} & request.POST.keys()


def _show(request, form, context):
    is_preview = request.method == "POST" and "preview" in request.POST
    if form.is_bound:
        context["requests"] = preview(form)
    else:
        context["requests"] = preview(type(form)(_unbound(form), **_rows(form)))
    context |= {
        "form": form,
        "may_add": isinstance(form, RowsForm) and form.may_grow,
        "may_try": may(request.user, "service.create"),
        "try_query": _try_query(request, context),
        "categories": Service.objects.order_by("category").values_list("category", flat=True),
    }
    context["categories"] = context["categories"].distinct()
    if is_preview and wants_fragment(request):
        return render(request, "services/_preview.html", context)
    response = render(request, "services/define.html", context)
    if "test" in request.POST and wants_fragment(request):
        return swap(response, "#main", "outerHTML", select="#main")
    return response


def _try_query(request, context) -> str:
    """What `typed` needs to know of the page."""
    about = {"type": context["kind"], "like": request.GET.get("like", "")}
    if "service" in context:
        about["service"] = context["service"].slug
    return urlencode({name: value for name, value in about.items() if value})


def _unbound(form) -> dict:
    """What the form shows before anything is typed, as if it had been sent."""
    return {name: value for name in form.fields if (value := form[name].value()) not in (None, "")}


def _rows(form) -> dict:
    return {"rows": form.shown} if isinstance(form, RowsForm) else {}


@require_POST
def listed(request, slug):
    service = get_object_or_404(Service, slug=slug)
    is_listed = request.POST.get("listed") == "1"
    custom.set_listed(service, is_listed, by=request.user)
    said = "is offered again." if is_listed else "is no longer offered for new connections."
    return changed(request, "service", then=service, message=f"{service} {said}")


@require_http_methods(["GET", "POST"])
def delete(request, slug):
    service = get_object_or_404(Service, slug=slug)
    require(request.user, "service.delete", service)
    if request.method == "POST":
        custom.delete(service, by=request.user)
        return changed(request, "service", then="services:list", message=f"{service} is deleted.")
    return render(request, "services/delete.html", {"service": service})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def app(request, slug):
    require(request.user, "service.set_app")
    service, environment, stored = _app(request, slug)
    form = AppForm(request.POST or None, stored=stored, method=oauth_apps.sign_in_method(service))
    if form.is_valid():
        oauth_apps.put(service, environment=environment, by=request.user, **form.cleaned_data)
        return changed(request, "service", then=service, message="The OAuth app is saved.")
    context = {
        "service": service, "environment": environment, "app": stored, "form": form,
        "redirect_uri": oauth_apps.redirect_uri(service),
    }  # fmt: skip
    return render(request, "services/app.html", context)


@require_http_methods(["GET", "POST"])
def remove_app(request, slug):
    require(request.user, "service.set_app")
    service, environment, stored = _app(request, slug)
    if stored is None:
        raise Http404
    if request.method == "POST":
        oauth_apps.remove(stored, by=request.user)
        return changed(request, "service", then=service, message="The OAuth app is removed.")
    context = {"service": service, "environment": environment, "app": stored}
    return render(request, "services/remove_app.html", context)


def _app(request, slug):
    """The service, the environment that the request names, and the shared app there, if any."""
    service = get_object_or_404(Service, slug=slug)
    named = request.GET.get("environment", "")
    environment = named_or_404(Environment, slug=named) if named else None
    return service, environment, oauth_apps.shared(service).filter(environment=environment).first()
