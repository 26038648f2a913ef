import pytest

from connhub.connections.bulk_tests import testing
from connhub.connections.models import Connection
from tests.browser.conftest import serious_axe_findings
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_results_arrive_while_one_looks(page, app_server, sign_in, ada, width):
    page.set_viewport_size({"width": width, "height": 800})
    connect(ada, link_name="untestable", name="Billing")
    sign_in(ada)
    enqueued = []
    run = testing.start(
        Connection.objects.all(), by=ada, enqueue=lambda *what: enqueued.append(what)
    )
    page.goto(app_server.url + run.get_absolute_url())
    page.get_by_text("0 of 1 done").wait_for()

    testing.test_next(*enqueued[0], enqueue=lambda *_: None)
    page.get_by_text("All done.").wait_for()

    assert page.get_by_text("Not tested", exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_axe_findings(page) == []
