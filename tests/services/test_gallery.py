import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connhub.services.gallery import Gallery
from connhub.services.models import Origin, Service
from tests.factories import AuthMethodFactory, ServiceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue():
    Service.objects.all().delete()
    for slug, name, category, origin, driver, aliases in (
        ("acme-crm", "Acme CRM", "CRM", Origin.DEFAULT, "", ["Rolodex"]),
        ("zeta-crm", "Zeta", "CRM", Origin.DEFAULT, "", []),
        ("acme-pay", "Acme Pay", "Payment", Origin.DEFAULT, "", []),
        ("postgresql", "PostgreSQL", "Database", Origin.DEFAULT, "postgresql", ["pg"]),
        ("ours", "Our own", "Custom", Origin.CUSTOM, "", []),
    ):
        ServiceFactory(
            slug=slug, name=name, category=category, origin=origin, driver=driver, aliases=aliases
        )
    ServiceFactory(slug="old", name="Acme Old", origin=Origin.DEFAULT, listed=False)
    pay, zeta = Service.objects.get(slug="acme-pay"), Service.objects.get(slug="zeta-crm")
    AuthMethodFactory(service=pay, kind="basic", label="Basic")
    AuthMethodFactory(service=pay, kind="basic", label="Basic too")
    AuthMethodFactory(service=zeta, config={"keys": [], "retired": True})


def slugs(**params):
    return [service.slug for service in Gallery(params).services]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"kind": "default"}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"kind": "custom"}, ["ours"]),
        ({"kind": "databases"}, ["postgresql"]),
        ({"kind": "nonsense"}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"category": "CRM"}, ["acme-crm", "zeta-crm"]),
        ({"category": "nonsense"}, []),
        ({"q": "acme"}, ["acme-crm", "acme-pay"]),
        ({"q": "  ACME  "}, ["acme-crm", "acme-pay"]),
        ({"q": "rolodex"}, ["acme-crm"]),
        ({"q": "acme", "category": "Payment"}, ["acme-pay"]),
        ({"q": "acme connector"}, ["acme-crm", "acme-pay"]),
        ({"q": "pay acme"}, ["acme-pay"]),
        ({"q": "connector"}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"auth": "basic"}, ["acme-pay"]),
        ({"auth": "basic", "q": "zeta"}, []),
        ({"auth": "api_key"}, []),
        ({"auth": "nonsense"}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"q": "%"}, []),
        ({"q": "_"}, []),
        ({"q": "'"}, []),
        ({"q": "\0"}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"category": "\0"}, ["acme-crm", "acme-pay", "postgresql", "zeta-crm"]),
        ({"q": "x" * 10_000}, []),
    ],
)
def test_a_choice_leaves_the_services_that_fit(params, found):
    assert slugs(**params) == found


def test_names_are_in_order_whatever_their_case():
    ServiceFactory(slug="abc", name="abc", origin=Origin.DEFAULT)
    ServiceFactory(slug="abd", name="ABD", origin=Origin.DEFAULT)

    assert slugs(q="ab") == ["abc", "abd"]


def test_categories_are_counted_within_the_search():
    gallery = Gallery({"q": "acme", "category": "CRM"})

    assert gallery.categories == [("CRM", 1), ("Payment", 1)]
    assert gallery.total == 2


def test_auth_methods_are_counted_by_service_without_the_retired():
    assert Gallery({}).auths == [("basic", "Basic", 1)]
    assert Gallery({"q": "zeta"}).auths == []
    assert Gallery({"auth": "basic"}).categories == [("Payment", 1)]


@pytest.fixture
def one_per_page(monkeypatch):
    monkeypatch.setattr("connhub.services.gallery.SHOWN", 1)


@pytest.mark.parametrize(
    ("page", "found", "left_out"),
    [
        ("", ["acme-crm"], 1),
        ("1", ["acme-crm"], 1),
        ("2", ["zeta-crm"], 0),
        ("3", [], 0),
        ("0", ["acme-crm"], 1),
        ("-1", ["acme-crm"], 1),
        ("\u0662", ["acme-crm"], 1),
        ("99999999999999999999", ["acme-crm"], 1),
    ],
)
def test_many_tiles_come_page_by_page(one_per_page, page, found, left_out):
    gallery = Gallery({"category": "CRM", "page": page})

    assert ([service.slug for service in gallery.services], gallery.left_out) == (found, left_out)


def test_more_tiles_are_a_page_of_their_own_or_come_below(one_per_page, client, ada):
    client.force_login(ada)
    url, query = reverse("connections:gallery"), {"category": "CRM", "page": "2"}

    page = client.get(url, query).content.decode()
    below = client.get(url, query, headers={"HX-Request": "true"}).content.decode()

    tile = '<a class="tile" href="/connections/new/zeta-crm/"'
    assert (tile in page, "<html" in page, 'rel="prev" href="?category=CRM"' in page) == (True,) * 3
    assert (f"{tile} autofocus" in below, "<html" in below, "prev" in below) == (True, False, False)


def test_the_gallery_takes_as_many_queries_for_many_services_as_for_one(client, ada):
    client.force_login(ada)
    url = reverse("services:list")
    AuthMethodFactory(service=Service.objects.get(slug="acme-crm"))
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for number in range(20):
        AuthMethodFactory(service=ServiceFactory(origin=Origin.DEFAULT, slug=f"more-{number}"))

    with CaptureQueriesContext(connection) as many:
        response = client.get(url)

    assert len(response.context["gallery"].services) == 24
    assert len(many) == len(few)


@pytest.mark.parametrize("who", ["ada", "bob", "eve", "root"])
def test_everybody_signed_in_may_look_at_services(client, request, who):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse("services:list"), {"q": "acme"}).status_code == 200
    assert client.get(reverse("services:detail", args=["acme-crm"])).status_code == 200
    assert client.get(reverse("services:detail", args=["missing"])).status_code == 404


def test_htmx_gets_the_tiles_alone(client, ada):
    client.force_login(ada)

    response = client.get(reverse("services:list"), {"q": "zeta"}, headers={"HX-Request": "true"})

    assert "<html" not in response.content.decode()
    assert "Zeta" in response.content.decode()
