from datetime import timedelta

import pytest
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.connections.impact import impact_of, used_lately
from connhub.connections.models import Connection
from connhub.usage.models import (
    App,
    CallDay,
    DataObject,
    Flow,
    Membership,
    Registration,
    Step,
)
from tests.factories import IntegrationFactory, UserFactory, function_over

pytestmark = pytest.mark.django_db


def called(connection, integration, slug, *, days_ago=0, count=3):
    at = timezone.now() - timedelta(days=days_ago)
    CallDay.objects.create(
        day=at.date(),
        connection=connection,
        integration=integration,
        environment=Environment.objects.get(slug=slug),
        ok=count,
        last_at=at,
    )


def words(impact) -> list[str]:
    return [
        f"{each}: {', '.join(each.names)} +{each.more} ({each.hidden})" for each in impact.affected
    ]


def test_unused_connection_breaks_nothing(ada, connection):
    impact = impact_of(connection, ada)

    assert not impact
    assert (impact.affected, impact.calls) == ([], [])


def test_names_what_the_person_sees_and_counts_the_rest(ada, connection, integration):
    foreign = IntegrationFactory(name="Payroll")
    for place in (integration, foreign):
        Registration.objects.create(integration=place, connection=connection)
        Membership.objects.create(integration=place, user=UserFactory())
        flow = Flow.objects.create(slug=place.slug, name=f"Flow of {place}", integration=place)
        for number in range(2):
            Step.objects.create(
                flow=flow, kind="export", name=f"step {number}", connection=connection
            )
    app = App.objects.create(slug="desk", name="Desk")
    for number in range(7):
        DataObject.objects.create(app=app, name=f"Object {number}", connection=connection)
    function_over(connection, name="Sum up", integration=foreign)

    impact = impact_of(connection, ada)

    assert words(impact) == [
        "2 integrations: Order to cash +0 (1)",
        "2 flows: Flow of Order to cash +0 (1)",
        "7 data objects: Object 0, Object 1, Object 2, Object 3, Object 4 +2 (0)",
        "1 function:  +0 (1)",
    ]
    assert impact.people == 2


def test_calls_are_told_by_environment(ada, connection, integration):
    called(connection, integration, "development", count=4)
    called(connection, integration, "production", days_ago=9, count=8)
    called(connection, integration, "production", days_ago=40, count=1000)

    impact = impact_of(connection, ada)

    assert [(str(each.environment), each.count) for each in impact.calls] == [
        ("Development", 4),
        ("Production", 8),
    ]
    assert impact.call_count == 12
    assert impact.last_used_at.date() == timezone.now().date()


@pytest.mark.parametrize(
    ("slug", "days_ago", "must_type"),
    [("production", 6, True), ("production", 8, False), ("staging", 1, False)],
)
def test_link_name_is_typed_when_the_highest_environment_used_it_lately(
    connection, integration, slug, days_ago, must_type
):
    called(connection, integration, slug, days_ago=days_ago)

    assert bool(used_lately([connection])) == must_type


@pytest.mark.parametrize("act", ["revoke", "delete", "disable"])
def test_nothing_happens_until_the_link_name_is_typed(client, ada, connection, integration, act):
    called(connection, integration, "production")
    client.force_login(ada)
    before = Connection.objects.values().get()

    for typed in ({}, {"link_name": ""}, {"link_name": "Billing"}):
        answer = client.post(f"/connections/billing/{act}/", typed)
        assert answer.status_code == 200
        assert "link_name" in answer.context["form"].errors
    assert Connection.objects.values().get() == before

    assert client.post(f"/connections/billing/{act}/", {"link_name": "billing"}).status_code == 303
    assert Connection.objects.values().get() != before


def test_as_many_queries_however_much_uses_it(
    ada, connection, integration, django_assert_max_num_queries
):
    for number in range(30):
        flow = Flow.objects.create(slug=f"f{number}", name=f"F{number}", integration=integration)
        Step.objects.create(flow=flow, kind="import", name="in", connection=connection)

    with django_assert_max_num_queries(7):
        assert words(impact_of(connection, ada)) == ["30 flows: F0, F1, F10, F11, F12 +25 (0)"]
