import pytest

from connhub.connections.calling.limits import require_allowed
from connhub.connections.calling.refusals import MethodNotAllowed, PathNotAllowed
from connhub.services.limits import Limits

FULL = Limits(("GET", "HEAD"), ("/orders", "/v2/customers/%20"))


@pytest.mark.parametrize("method", ["GET", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("path", [None, "", "orders", "anything/else"])
def test_nothing_is_limited_where_no_limits_are(method, path):
    require_allowed(Limits(), method, path)


@pytest.mark.parametrize("path", ["orders", "orders/", "orders/7;x=1", "v2/customers/%20/7"])
def test_a_prefix_lets_in_what_is_below_it(path):
    require_allowed(FULL, "GET", path)


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "order",
        "orders2",
        "orders;x",
        "Orders",
        "%6frders",
        "v2",
        "v2/customers",
        "x/orders",
    ],
)
def test_all_else_is_refused(path):
    with pytest.raises(PathNotAllowed):
        require_allowed(FULL, "GET", path)


@pytest.mark.parametrize("method", ["POST", "get", "OPTIONS", "PROPFIND"])
def test_refused_method_is_told_which_there_are(method):
    with pytest.raises(MethodNotAllowed) as refused:
        require_allowed(FULL, method, "orders")

    assert refused.value.allowed == "GET, HEAD"
