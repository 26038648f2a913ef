import ast
import shutil
import subprocess

import pytest

from connhub.audit.models import Event
from connhub.connections.guide import snippets
from connhub.usage.models import Registration
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, IntegrationFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


def code(connection) -> dict[str, str]:
    return {snippet.name: snippet.code for snippet in snippets(connection)}


@pytest.fixture
def database(ada):
    service = ServiceFactory(driver="postgresql", base_url="")
    method = AuthMethodFactory(kind="database", label="Database", config={}, service=service)
    parameters = {"host": "db.example.com", "port": "5432", "database": "d", "user": "u"}
    return connect(
        ada, method=method, link_name="store", parameters=parameters, secrets={"password": CANARY}
    )


def test_http_service_is_called_through_the_proxy(connection, settings):
    for text in code(connection).values():
        assert f"{settings.CONNHUB_URL}/api/v1/connections/billing/proxy/…" in text
        assert CANARY not in text


def test_database_is_opened_with_what_the_credentials_call_answers(database):
    written = code(database)

    assert 'psycopg.connect(credentials["dsn"])' in written["python"]
    assert "/api/v1/connections/store/credentials" in written["curl"]
    assert CANARY not in "".join(written.values())


def test_snippets_are_code_that_parses(connection, database):
    for made in (connection, database):
        written = code(made)
        ast.parse(written["python"])
        subprocess.run(["sh", "-n", "-c", written["curl"]], check=True)
        if node := shutil.which("node"):
            module = [node, "--check", "--input-type=module", "-"]
            subprocess.run(module, input=written["javascript"].encode(), check=True)


def test_guide_names_the_integrations_that_one_sees(client, ada, connection, integration):
    for place in (integration, IntegrationFactory(name="Payroll")):
        Registration.objects.create(integration=place, connection=connection)
    client.force_login(ada)

    page = client.get("/connections/billing/guide/").content.decode()

    assert "Order to cash" in page and "Payroll" not in page


def test_activity_tells_what_happened_page_by_page(client, ada, connection):
    client.force_login(ada)
    for number in range(30):
        client.post("/connections/billing/rename/", {"name": f"Name {number}"})

    first = client.get("/connections/billing/activity/")

    assert first.content.decode().count("Ada renamed") == 25
    rest = client.get("/connections/billing/activity/", {"before": first.context["page"].older})
    assert rest.content.decode().count("Ada renamed") == 5
    assert "Ada created" in rest.content.decode()


def test_reading_the_activity_is_on_record_as_reading_the_log_is(client, ada, root, connection):
    client.force_login(ada)

    client.get("/connections/billing/activity/")

    event = Event.objects.latest("sequence")
    assert (event.actor, event.action) == ("Ada", "audit.read")
    client.force_login(root)
    found = client.get(f"/audit/?{event.detail['filters']}").context["page"].rows
    assert {found.object for found in found} == {"Billing"}


@pytest.mark.parametrize("tab", ["guide", "activity"])
def test_nobody_else_sees_them(client, eve, connection, tab):
    client.force_login(eve)

    assert client.get(f"/connections/billing/{tab}/").status_code == 404
