"""Test Connection over HTTP, step by step: from the parameters to a call that the service answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from requests import Response

from connhub.egress import guard
from connhub.egress.errors import NoAnswer, TLSFailed
from connhub.egress.http import AnswerTooLarge, Unreachable, Unsendable
from connhub.egress.probe import Reached, reach
from connhub.egress.timing import even_timing
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled, fill
from connhub.services.models import AuthMethod

from .access import at_the_service, injection_for
from .auth import METHODS
from .auth.base import Granted, Injection
from .auth.provider import at
from .connecting import obtain
from .reports import Report, StepFailed, Trail
from .sample_call import send

DEADLINE_S = 15
SOON = timedelta(days=30)
HINTS = {
    401: "The service doesn't accept the credentials. Check them for typing errors or reconnect.",
    403: "The credentials are known, but not allowed to do this. Check their rights or scopes.",
    404: "There is nothing at this address. Check the parameters.",
    429: "The service asks to slow down. Try again in a minute.",
}
CERTIFICATE = "Whoever runs the service has to mend it; ConnHub never goes on without."
SIGN_IN = "Check the credentials for typing errors, and whether they are still valid."


@dataclass(frozen=True, slots=True)
class Scopes:
    """What was asked for, and what the service said that it granted, if it said so."""

    asked: Sequence[str] = ()
    granted: Sequence[str] = ()


def test_of(method: AuthMethod) -> dict[str, Any]:
    """The request that tests connections of this method."""
    return method.config.get("test") or method.service.test


def probe(
    method: AuthMethod,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    base_url: str,
    scopes: Scopes,
) -> tuple[Report, Granted | None]:
    """What was found, and the token that had to be fetched for it, if any; nothing is stored.

    Failures to connect read alike and take about as long, whatever the reason.
    """
    test, values, granted = test_of(method), {**parameters, **secrets}, None
    trail = Trail()
    try:
        trail.begin("Parameters")
        url = at_the_service(method, fill(base_url, values)) + test["path"]
        target = guard.parse_url(url, ports=guard.ANY_PORT)
        trail.say(f"{target.host}, port {target.port}.")
        _connect(trail, target)
        trail.begin("Authentication")
        if METHODS[method.kind].connects and "access_token" not in values:
            granted = _sign_in(method, parameters, secrets, scopes.asked)
            values |= granted.secrets
            scopes = Scopes(scopes.asked, granted.scopes)
        injection = injection_for(method, values)
        trail.say(_added(injection, fetched=granted is not None))
        if METHODS[method.kind].has_scopes:
            _compare(trail, scopes)
        trail.begin("Sample call")
        with even_timing():
            answer = send(test, url, injection, deadline_s=DEADLINE_S)
        trail.say(_judge(test, answer))
    except StepFailed as failure:
        trail.fail(failure.said, failure.hint)
    except Refusal as refusal:
        trail.fail(refusal.text, SIGN_IN)
    except (Unfilled, guard.BadAddress, Unreachable, Unsendable, AnswerTooLarge) as error:
        trail.fail(str(error))
    return trail.end(), granted


def _connect(trail: Trail, target: guard.Target) -> None:
    """From the name to the certificate. Which step failed before TLS is for the log alone."""
    trail.begin("Connection")
    with even_timing():
        reached = reach(target.host, target.port)
    trail.report.steps.pop()
    with reached:
        trail.add("Name resolution", reached.looked_up_ms, _found(reached))
        trail.add("Egress policy", 0, _permitted(reached))
        trail.add("TCP", reached.connected_ms, f"Port {target.port} is open.")
        trail.begin("TLS")
        if target.scheme == "https":
            _secure(trail, reached, target.host)
        else:
            trail.skip_this("Not encrypted: the operator allows this for the address.")


def _found(reached: Reached) -> str:
    """The public addresses; those of one's own network are for nobody to read."""
    public = [address for address in reached.addresses if address.entry is None]
    own = len(reached.addresses) - len(public)
    return ", ".join([*public, *([f"{own} in your own network"] if own else [])]) + "."


def _permitted(reached: Reached) -> str:
    if any(address.entry for address in reached.addresses):
        return "Allowed by an exception that whoever runs ConnHub made."
    return "ConnHub may connect there."


def _secure(trail: Trail, reached: Reached, host: str) -> None:
    try:
        shook = reached.handshake(host)
    except TLSFailed as error:
        raise StepFailed(str(error), CERTIFICATE) from None
    except NoAnswer as error:
        raise StepFailed(str(error), "Check that the port is one for https.") from None
    trail.report.certificate_ends_at = shook.ends_at
    day = timezone.localtime(shook.ends_at)
    said = f"{shook.version}, certificate of {shook.subject} until {day:%-d %b %Y}."
    if shook.ends_at - timezone.now() < SOON:
        trail.warn(said, "It ends in less than 30 days. Tell whoever runs the service.")
    else:
        trail.say(said)


def _sign_in(
    method: AuthMethod,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    scopes: Sequence[str],
) -> Granted:
    with even_timing():
        return obtain(method, parameters, secrets, scopes)


def _added(injection: Injection, *, fetched: bool) -> str:
    """Where the credential goes; header names that a signature sets are the method's own."""
    places = [f"header {name}" for name, _ in injection.headers]
    places += [f"parameter {name}" for name, _ in injection.query]
    places += [f"form field {name}" for name, _ in injection.form]
    places += ["signature"] if injection.sign else []
    added = f"Added to the call: {', '.join(places)}." if places else "The service asks for none."
    return f"The service gave a token. {added}" if fetched else added


def _compare(trail: Trail, scopes: Scopes) -> None:
    """Asked against granted. A service that says nothing granted what was asked (RFC 6749, 5.1)."""
    trail.begin("Granted scopes")
    asked, granted = set(scopes.asked), set(scopes.granted)
    if not granted:
        return trail.skip_this("The service did not say which it granted.")
    more = f" Besides: {', '.join(sorted(granted - asked))}." if granted - asked else ""
    if missing := sorted(asked - granted):
        return trail.warn(
            f"Asked for, but not granted: {', '.join(missing)}.{more}",
            "Reconnect and allow them, or take them out of the connection.",
        )
    return trail.say(f"All that was asked for: {', '.join(sorted(asked))}.{more}")


def _judge(test: Mapping[str, Any], answer: Response) -> str:
    """Whether the answer is as expected; nothing of its body is told. Raises: StepFailed."""
    status = answer.status_code
    call = f"{test.get('method', 'GET')} {test['path']} answered {status}."
    if status in (test.get("expect") or range(200, 300)):
        if _says_so(test.get("expect_json"), answer):
            return call
        raise StepFailed(
            call, "It says that it failed. Check the credentials, and their rights or scopes."
        )
    raise StepFailed(
        call, HINTS.get(status, "The service has a problem of its own." if status >= 500 else "")
    )


def _says_so(expected: Mapping[str, Any] | None, answer: Response) -> bool:
    """Whether the JSON of the answer holds what is expected of it."""
    if not expected:
        return True
    try:
        found = at(answer.json(), expected["path"])
    except (ValueError, RecursionError):
        return False
    return found == expected["equals"] if "equals" in expected else found is not None
