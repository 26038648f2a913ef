from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Environment
from connhub.accounts.policies import may_administer_account, require_super_admin
from connhub.htmx import changed, wants_fragment
from connhub.paging import Order, page

from . import custom, oauth_apps, policies
from .api_key_form import MOST_KEYS, ApiKeyForm
from .app_form import AppForm
from .forms import BasicForm, BearerForm, NoAuthForm, details_of
from .gallery import Gallery
from .models import Service
from .oauth1_form import OAuth1Form
from .oauth_forms import AuthorizationCodeForm, ClientCredentialsForm
from .preview import preview

FORMS = {
    form.kind: form
    for form in (
        *(AuthorizationCodeForm, ClientCredentialsForm, ApiKeyForm),
        *(BearerForm, BasicForm, NoAuthForm),
        OAuth1Form,
    )
}
OPERATIONS, BY_PATH = 50, Order("path", "path", "pk")
OAUTH = {"oauth2_code": "Authorization code", "oauth2_client_credentials": "Client credentials"}
TYPES = {
    "oauth2_code": ("OAuth 2.0", "People sign in at the service, or ConnHub gets tokens itself."),
    "api_key": ("API key", "One or several keys in headers, the query string or a form body."),
    "bearer": ("Bearer token", "A token from the service in the Authorization header."),
    "basic": ("Basic", "User name and password in the Authorization header."),
    "none": ("No authentication", "A service that asks nobody who they are."),
    "oauth1": ("OAuth 1.0a", "People sign in at the service, and every call is signed."),
}


@require_safe
def listing(request):
    return show_gallery(request, "services/list.html", into="services:detail")


def show_gallery(request, page_template, *, into):
    """The gallery, its tiles leading to the URLs named `into`; or what htmx wants of it."""
    gallery = Gallery(request.GET)
    is_more = wants_fragment(request) and gallery.page > 1
    fragment = "services/_tile_page.html" if is_more else "services/_tiles.html"
    context = {"gallery": gallery, "into": into, "is_more": is_more}
    return render(request, fragment if wants_fragment(request) else page_template, context)


@require_safe
@vary_on_headers("HX-Request")
def detail(request, slug):
    service = get_object_or_404(Service, slug=slug)
    shown = _operations(request, service)
    if wants_fragment(request):
        return render(request, "services/_operations.html", shown)
    is_super_admin = may_administer_account(request.user)
    context = {
        "service": service,
        "methods": service.auth_methods.offered(),
        "endpoints": service.endpoints.exclude(environment=None).select_related("environment"),
        "connections": service.connections.visible_to(request.user)[:10],
        "may_administer": policies.may_administer(request.user, service),
        "may_list": policies.may_list(request.user, service),
        "may_duplicate": policies.may_create(request.user) and not service.driver,
        "shows_apps": is_super_admin and oauth_apps.is_shareable(service),
        "apps": oauth_apps.shared(service) if is_super_admin else [],
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


@require_http_methods(["GET", "POST"])
def new(request):
    policies.require_create(request.user)
    model = _model(request)
    kind = request.GET.get("type") or (model and model.methods[0].kind)
    if kind not in FORMS:
        return render(request, "services/types.html", {"types": TYPES})
    form = _form(request, kind, _initial(model, kind) if model else {})
    if request.method == "POST" and _is_final(request) and form.is_valid():
        definition = form.definition_with([form.method])
        service = custom.create(definition, slug=form.cleaned_data["slug"], by=request.user)
        return changed(request, "service", then=service, message=f"{service} is made.")
    return _show(request, form, {"types": TYPES, "grants": OAUTH, "kind": kind})


@require_http_methods(["GET", "POST"])
def edit(request, slug):
    service = get_object_or_404(Service, slug=slug)
    policies.require_admin(request.user, service)
    stored = custom.definition_of(service)
    methods = {method.kind: method for method in stored.methods if method.kind in FORMS}
    if not methods:
        raise Http404
    kind = request.GET.get("type")
    kind = kind if kind in methods else next(iter(methods))
    form = _form(request, kind, _initial(stored, kind), service=service)
    if request.method == "POST" and _is_final(request) and form.is_valid():
        edited = [form.method if m is methods[kind] else m for m in stored.methods]
        kept = {"version": stored.version, "summary": stored.summary}
        custom.edit(service, form.definition_with(edited, **kept), by=request.user)
        return changed(request, "service", then=service, message="Saved.")
    others = [method for method in methods.values() if len(methods) > 1]
    return _show(request, form, {"service": service, "kind": kind, "methods": others})


def _model(request) -> custom.Definition | None:
    """The service that a new one should be like, if the request names one."""
    like = Service.objects.filter(slug=request.GET.get("like", "")).first()
    definition = custom.definition_of(like) if like else None
    if not definition or not any(method.kind in FORMS for method in definition.methods):
        return None
    definition.methods = [method for method in definition.methods if method.kind in FORMS]
    definition.name = f"{definition.name} 2"[:80]
    return definition


def _initial(definition, kind):
    method = next((m for m in definition.methods if m.kind == kind), None)
    return details_of(definition) | (FORMS[kind].initial_of(method) if method else {})


def _form(request, kind, initial, service=None):
    """The form of that kind of auth method, bound unless it only grows by a row."""
    more = {"initial": initial, "service": service}
    if kind == "api_key":
        more["rows"] = max(1, sum(name.endswith("_name") for name in initial if "key_" in name))
        if request.method == "POST":
            typed = request.POST.get("rows", "")
            more["rows"] = (
                int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 3 else 1
            )
    if request.method == "POST" and "add" in request.POST and kind == "api_key":
        typed = FORMS[kind](**more).fields
        more["initial"] = {name: request.POST.get(name, "") for name in typed}
        more["rows"] += 1
        return FORMS[kind](**more)
    return FORMS[kind](request.POST if request.method == "POST" else None, **more)


def _is_final(request) -> bool:
    return not {"preview", "add"} & request.POST.keys()


def _show(request, form, context):
    is_preview = request.method == "POST" and "preview" in request.POST
    if form.is_bound:
        context["requests"] = preview(form)
    else:
        context["requests"] = preview(type(form)(_unbound(form), **_rows(form)))
    context |= {
        "form": form,
        "may_add": form.kind == "api_key" and form.shown < MOST_KEYS,
        "categories": Service.objects.order_by("category").values_list("category", flat=True),
    }
    context["categories"] = context["categories"].distinct()
    if is_preview and wants_fragment(request):
        return render(request, "services/_preview.html", context)
    return render(request, "services/define.html", context)


def _unbound(form) -> dict:
    """What the form shows before anything is typed, as if it had been sent."""
    return {name: value for name in form.fields if (value := form[name].value()) not in (None, "")}


def _rows(form) -> dict:
    return {"rows": form.shown} if form.kind == "api_key" else {}


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
    policies.require_admin(request.user, service)
    if request.method == "POST":
        custom.delete(service, by=request.user)
        return changed(request, "service", then="services:list", message=f"{service} is deleted.")
    return render(request, "services/delete.html", {"service": service})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def app(request, slug):
    require_super_admin(request.user)
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
    require_super_admin(request.user)
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
    environment = get_object_or_404(Environment, slug=named) if named else None
    return service, environment, oauth_apps.shared(service).filter(environment=environment).first()
