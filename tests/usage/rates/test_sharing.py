"""One limit for calls to several ConnHubs, each in a process of its own."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from connhub.usage.models import RateCount
from connhub.usage.rates import exchanging, in_database
from connhub.usage.rates.counting import Ask, Rate, read_rate
from connhub.usage.rates.leases import Leases
from connhub.usage.revision import Revision
from tests.servers.app import running_app
from tests.servers.process import free_port
from tests.usage.conftest import Flow, problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

HOUR = 3600


@pytest.fixture
def processes(upstream):
    """Starts some ConnHubs on the same database, with these settings."""
    with ExitStack() as stack:

        def start(number: int = 4, **env: str):
            allow = f"127.0.0.1:{upstream.port}"
            return [
                stack.enter_context(running_app(CONNHUB_EGRESS_ALLOW=allow, **env))
                for _ in range(number)
            ]

        yield start


def hammer(servers, flow, calls_each: int):
    """What came of the calls, made to all servers at once."""

    def call(server):
        return Flow(server, flow.key, flow.token)("GET", "crm", "/echo")

    with ThreadPoolExecutor(2 * len(servers)) as threads:
        return list(threads.map(call, servers * calls_each))


@pytest.mark.parametrize("amount", [10, 300])
def test_all_processes_together_let_through_exactly_the_limit(reach, flow, processes, amount):
    reach()
    servers = processes(CONNHUB_RATE_PER_KEY=f"{amount}/hour")

    answers = hammer(servers, flow, amount // 2)

    assert Counter(a.status_code for a in answers) == {200: amount, 429: amount}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert problem(refused) == (429, "rate-limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 2 * HOUR


def test_all_processes_share_the_limit_of_a_connection_by_redis(
    reach, flow, processes, redis_server
):
    reach()
    url = f"redis://:{redis_server.default_password}@127.0.0.1:{redis_server.port}/0"
    servers = processes(CONNHUB_RATE_PER_CONNECTION="100/hour", REDIS_URL=url)

    answers = hammer(servers, flow, 50)

    assert Counter(a.status_code for a in answers) == {200: 100, 429: 100}
    assert not RateCount.objects.exists()


def test_without_the_shared_count_each_process_counts_alone(reach, flow, processes):
    reach()
    [server] = processes(
        1,
        CONNHUB_RATE_PER_KEY="10/hour",
        CONNHUB_WEB_PROCESSES="2",
        REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
    )

    answers = hammer([server], flow, 20)

    assert Counter(a.status_code for a in answers) == {200: 5, 429: 15}


def test_calls_to_django_and_to_the_gateway_count_alike(client, reach, flow, processes, settings):
    reach()
    settings.PROXY_RATE_KEY = "6/hour"
    [server] = processes(1, CONNHUB_RATE_PER_KEY="6/hour")
    bearer = {"Authorization": f"Bearer {flow.token}"}

    through = [client.get("/api/v1/connections", headers=bearer).status_code for _ in range(4)]
    answers = hammer([server], flow, 4)

    assert through == [200] * 4
    assert Counter(a.status_code for a in answers) == {200: 2, 429: 2}


def test_counting_is_no_change_on_record(connection):
    revision = Revision()
    leases = Leases("key", read_rate("10/hour"))

    async def read():
        try:
            return await revision.read()
        finally:
            await revision.close()

    before = asyncio.run(read())
    exchanging.take(leases, "somebody")

    assert asyncio.run(read()) == before
    assert RateCount.objects.count() == 1


def test_what_no_longer_counts_is_forgotten(db):
    old, new = Rate(10, 1), Rate(10, HOUR)
    in_database.exchange([Ask("old", old, 1), Ask("new", new, 1)])
    RateCount.objects.filter(who="old").update(over_at=1_000_000)

    in_database.forget()

    assert [count.who for count in RateCount.objects.all()] == ["new"]
