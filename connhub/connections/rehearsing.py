"""Trying a service before it is saved: with credentials that are used once and kept nowhere."""

from collections.abc import Mapping

from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.egress import guard
from connhub.egress.http import AnswerTooLarge, GuardedSession, Unreachable, Unsendable
from connhub.egress.timing import even_timing
from connhub.services.addresses import Unfilled, fill, fill_config
from connhub.services.models import AuthMethod, Service

from . import probing, testing
from .auth import METHODS, is_interactive
from .auth.oauth2 import Client
from .auth.provider import ProviderError, ProviderRefused, host_of
from .authorize import redirect_uri
from .reports import Report, StepFailed, Trail

NO_CODE = "made-up-by-connhub-to-try-the-token-url"
NOT_THERE = frozenset({404, 405, 410, 501})
TOKEN_REQUEST = "Check the token URL and the form of the token request."
AFTERWARDS = (
    "That takes a person at the service, and so do the scopes and the test request: "
    "create the service and connect."
)


def try_service(
    service: Service, method: AuthMethod, values: Mapping[str, str], *, by: User
) -> Report:
    """Test a service that is not saved, with these parameters and secrets; nothing is stored.

    Where a person has to sign in, its addresses and the token endpoint are checked instead.

    Raises:
        PermissionDenied: `by` may not make services.
        TooManyTests: four tests are running.
    """
    require(by, "service.create")
    if is_interactive(method):
        with testing.turn():
            report = _check_sign_in(service, method, values)
    else:
        scopes = [scope["name"] for scope in method.scopes if scope.get("default")]
        report = testing.run(service, method, values, scopes=scopes)
    record(
        "service.tested",
        by=by,
        on=service if service.pk else None,
        outcome="ok" if report.ok else "failed",
        detail={"kind": method.kind, "took_ms": report.took_ms},
    )
    return report


def _check_sign_in(service: Service, method: AuthMethod, values: Mapping[str, str]) -> Report:
    """What can be known of an interactive method without a person; failures take equally long."""
    trail = Trail()
    trail.begin("Addresses")
    try:
        config = fill_config(method.config, values)
        urls = [url for name, url in config.items() if name.endswith("_url") and url]
        trail.say(_look_up([fill(service.base_url, values), *urls]))
        if method.kind == "oauth2_code":
            client = Client(
                config,
                values["client_id"],
                values.get("client_secret", ""),
                values.get("key_id", ""),
            )
            trail.begin("Authorize URL")
            trail.say(_open(client, service))
            trail.begin("Token URL")
            trail.say(_ask(client, service))
        else:
            trail.begin("Temporary credentials")
            trail.say(_begin(service, method, values))
    except StepFailed as failure:
        trail.fail(failure.said, failure.hint)
    except (Unfilled, guard.BadAddress, Unreachable, Unsendable, ProviderError) as error:
        trail.fail(str(error))
    else:
        trail.skip("Signing in", AFTERWARDS)
    return trail.end()


def _look_up(urls: list[str]) -> str:
    """Resolve every host, once; the guard says where ConnHub may connect to."""
    targets = {guard.parse_url(url, ports=guard.ANY_PORT) for url in urls}
    for target in sorted(targets, key=str):
        with even_timing():
            guard.resolve(target.host, target.port)
    hosts = ", ".join(sorted({target.host for target in targets}))
    return f"{hosts}: found, and ConnHub may connect to them."


def _begin(service: Service, method: AuthMethod, values: Mapping[str, str]) -> str:
    """The first leg of OAuth 1.0a (RFC 5849 section 2.1); what it brings is not used."""
    with even_timing():
        METHODS[method.kind].begin(
            values, method, redirect_uri=redirect_uri(service.slug), scopes=()
        )
    return "The service knows the consumer key and secret, and ConnHub's redirect URI."


def _open(client: Client, service: Service) -> str:
    """Where people would be sent; a made-up state and code challenge begin nothing there."""
    host = client.authorization_host()
    url = client.authorization_url(
        redirect_uri=redirect_uri(service.slug),
        scopes=[],
        state="try",
        verifier=client.new_verifier(),
    )
    with (
        even_timing(),
        GuardedSession(
            deadline=probing.DEADLINE_S, ports=guard.ANY_PORT, max_bytes=2**22
        ) as session,
    ):
        try:
            status = session.get(url, headers={"User-Agent": "ConnHub"}).status_code
        except AnswerTooLarge:
            return f"{host} answered."
        if status in NOT_THERE or status >= 500:
            raise StepFailed(f"{host} answered {status}.", "Check the authorize URL.")
    hint = " That is usual until the redirect URI is entered there." if status >= 400 else ""
    return f"{host} answered {status}.{hint}"


def _ask(client: Client, service: Service) -> str:
    """One request with a code that nobody gave out, which the service must refuse (RFC 6749, 5.2)."""
    host = host_of(client.config["token_url"])
    try:
        with even_timing():
            client.exchange(
                NO_CODE,
                redirect_uri=redirect_uri(service.slug),
                verifier=client.new_verifier(),
                asked=[],
            )
    except ProviderRefused as refused:
        return _judge(refused, host)
    except ProviderError as error:
        raise StepFailed(str(error), TOKEN_REQUEST) from None
    raise StepFailed(f"{host} gave a token for a code that was made up.", "Don't rely on it.")


def _judge(refused: ProviderRefused, host: str) -> str:
    code = refused.code
    if code.startswith("http_"):
        status = code.removeprefix("http_")
        raise StepFailed(
            f"{host} answered {status} without saying why, as OAuth would.",
            TOKEN_REQUEST,
        )
    if "client" in code or code == "unsupported_grant_type":
        raise StepFailed(str(refused), "Check the client authentication too.")
    return (
        f"{host} refused a made-up code ({code}), as it should. The client was not complained of."
    )
