"""A connection created inside an integration is registered there."""

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from connhub.connections import creating
from connhub.connections.lifecycle import Details
from connhub.connections.models import Connection, Status
from connhub.sharing import roles
from connhub.usage.availability import Audience, audience_of
from connhub.usage.inside import InIntegration
from connhub.usage.models import Integration, Kind, Membership, Registration
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, IntegrationFactory

pytestmark = pytest.mark.django_db

FORM = {"name": "CRM", "link_name": "crm", "access_mode": "proxy", "s_key_1": "a"}


@pytest.fixture
def method():
    return AuthMethodFactory(service__slug="shop", service__name="Shop")


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def form_url(integration) -> str:
    return reverse("connections:new", args=["shop"], query={"integration": integration.slug})


def make(client, inside, **more):
    return client.post(form_url(inside), FORM | more)


def test_it_is_registered_there_and_that_is_said_before(signed_in, ada, method, integration):
    page = signed_in.get(form_url(integration)).content.decode()
    answer = make(signed_in, integration)

    assert f"It will be registered with {integration}." in page
    assert (answer.status_code, answer.url) == (303, integration.get_absolute_url())
    registered = Registration.objects.get()
    assert registered.integration == integration and registered.by == ada
    assert registered.how == Registration.How.CREATED
    assert actions(registered.connection) == ["connection.created", "connection.registered"]
    assert "Created here" in signed_in.get(answer.url).content.decode()


def test_every_link_on_the_way_keeps_the_integration(signed_in, method, integration):
    other = AuthMethodFactory(service=method.service, kind="bearer", position=2)
    here = f"integration={integration.slug}"

    inside = signed_in.get(integration.get_absolute_url()).content.decode()
    gallery = signed_in.get(f"/connections/new/?kind=default&{here}").content.decode()
    tiles = signed_in.get(
        f"/connections/new/?kind=custom&q=shop&{here}", headers={"HX-Request": "true"}
    )
    form = signed_in.get(form_url(integration)).content.decode()

    assert f'href="/connections/new/?{here}"' in inside
    assert f"?kind=databases&amp;{here}" in gallery and "It will be registered with" in gallery
    assert f'<input type="hidden" name="integration" value="{integration.slug}">' in gallery
    assert f'href="/connections/new/shop/?{here}"' in tiles.content.decode()
    assert f"?{here}&amp;method={other.pk}" in form


def test_who_signs_in_at_the_service_comes_back_to_it(
    signed_in, acme, registered, integration, oauth_server
):
    url = reverse("connections:new", args=["acme"], query={"integration": integration.slug})
    app = {"client_id": registered.client_id, "client_secret": registered.client_secret}

    made = signed_in.post(url, FORM | app)
    proceed = signed_in.get(made.url).content.decode()
    leaving = signed_in.post(made.url, headers={"HX-Request": "true"}).headers["HX-Redirect"]
    back = oauth_server.authorize(leaving).removeprefix(settings.CONNHUB_URL)

    assert f'href="{integration.get_absolute_url()}">Not now' in proceed
    assert signed_in.get(back).url == integration.get_absolute_url()
    connection = integration.connections.get()
    assert connection.status == Status.CONNECTED
    assert signed_in.get(connection.get_absolute_url()).status_code == 200


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("bob", 403), ("root", 403), ("eve", 404)]
)
def test_only_for_who_may_register_there(client, request, method, integration, who, status):
    person = request.getfixturevalue(who)
    if who == "bob":
        Membership.objects.create(integration=integration, user=person)
    client.force_login(person)

    assert client.get(form_url(integration)).status_code == status
    assert client.get(f"/connections/new/?integration={integration.slug}").status_code == status
    if status != 200:
        assert make(client, integration).status_code == status
        assert not Connection.objects.exists()


@pytest.mark.parametrize("slug", ["", "no-such", "\0", "a b", "x" * 3000])
def test_what_names_no_integration_is_not_found(signed_in, method, slug):
    for url in ("/connections/new/", "/connections/new/shop/"):
        assert signed_in.get(url, {"integration": slug}).status_code == 404


def test_integration_apps_come_with_their_connections(signed_in, method, integration):
    Integration.objects.update(kind=Kind.APP)

    assert "Create connection" not in signed_in.get(integration.get_absolute_url()).content.decode()
    assert make(signed_in, integration).status_code == 409
    assert not Connection.objects.exists()


def test_nothing_is_made_by_who_may_not_register_any_more(bob, method, integration):
    details = Details(name="CRM", secrets={"key_1": "a"})

    with pytest.raises(PermissionDenied):
        creating.create(
            method, details, link_name="crm", by=bob, inside=InIntegration(integration),
            settle=lambda made: None,
        )  # fmt: skip

    assert not Connection.objects.exists()


def test_it_may_be_available_there_alone(signed_in, method, integration):
    make(signed_in, integration, to="integration", integration=integration.slug)

    made = Connection.objects.get()
    assert audience_of(made) == Audience(integration=integration)
    assert made.registrations.get().how == Registration.How.CREATED


@pytest.mark.parametrize("narrowed", ["integration", "project"])
def test_it_cant_be_for_others_alone(signed_in, ada, method, integration, narrowed):
    foreign = IntegrationFactory(name="Payroll")
    roles.grant(foreign, ada, by=ada)
    slugs = {"integration": foreign.slug, "project": foreign.project.slug}

    answer = make(signed_in, integration, to=narrowed, **{narrowed: slugs[narrowed]})

    assert answer.context["form"].errors == {narrowed: [f"{integration} couldn't use it then."]}
    assert not Connection.objects.exists()
