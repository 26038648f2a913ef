"""What a flow gets of a connection to a server that it has to call by itself."""

import pytest

from connhub.usage import registration
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.usage.conftest import problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


@pytest.fixture
def bus(ada, integration):
    """Makes a connection to a RabbitMQ, and registers it."""

    def bus(**parameters):
        service = ServiceFactory(driver="amqp", base_url="")
        made = connect(
            ada,
            method=AuthMethodFactory(service=service, kind="database", label="Sign-in", config={}),
            link_name="bus",
            parameters=parameters,
            secrets={"password": CANARY},
            access_mode="credentials",
        )
        registration.register(integration, [made], by=ada)

    return bus


def test_parameters_come_with_the_url_that_client_libraries_take(bus, flow):
    bus(host="bus.example", port="5671", database="crm/eu", user="flow")

    found = flow.credentials("bus").json()["credentials"]

    assert found["dsn"] == f"amqps://flow:{CANARY}@bus.example:5671/crm%2Feu"
    assert (found["host"], found["password"]) == ("bus.example", CANARY)


def test_what_no_driver_can_read_is_a_problem_and_no_failure(bus, flow):
    bus(host="bus.example", port="none", user="flow")

    answer = flow.credentials("bus")

    assert problem(answer) == (409, "credential-incomplete")
    assert CANARY not in answer.text
