"""Why the runtime API says no: what each code means, what to do, and the page that mends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.urls import reverse

from connhub.audit.log import AuditUnavailable
from connhub.connections import access
from connhub.connections.auth.oauth1 import PlaintextNeedsHTTPS, Unsignable
from connhub.connections.calling import refusals
from connhub.connections.refresh import RenewalFailed
from connhub.errors import Refusal

from . import data_objects, declaring, flows, functions, problems, registration, revision, selecting

WAIT = (429, 503)
DOCS = "api-1:openapi-view"
# Pages that are about no connection and no integration.
OF_NOTHING = (DOCS, "usage:integrations")


@dataclass(frozen=True, slots=True)
class Reason:
    """One code: `kinds` are the refusals that have it, `page` the name of the URL that mends it."""

    kinds: tuple[type[Refusal], ...]
    means: str
    do: str
    page: str = ""

    @property
    def code(self) -> str:
        return self.kinds[0].code

    @property
    def title(self) -> str:
        return title_of(self.code)

    @property
    def statuses(self) -> list[int]:
        return sorted({int(kind.status) for kind in self.kinds})

    @property
    def waits(self) -> bool:
        """Whether it says after how long to try again."""
        return any(status in WAIT for status in self.statuses)


def title_of(code: str) -> str:
    """A code as people read it."""
    return code.replace("-", " ").capitalize()


def type_of(code: str) -> str:
    """The URL that a problem document has as its type: a page says what the code means."""
    return f"{settings.CONNHUB_URL}{_page('problem', code)}"


def mend_url(code: str, *, link_name: str = "", integration: str = "") -> str:
    """The page that mends it; "" if there is none, or the caller may not know of what it is about.

    `link_name` and `integration` (its slug) are those that the caller may know of.
    """
    reason = BY_CODE.get(code)
    if reason is None or not reason.page:
        return ""
    room = reason.page.partition(":")[0]
    about = {"connections": link_name, "usage": integration}.get(room, "")
    if reason.page in OF_NOTHING:
        return settings.CONNHUB_URL + _page(reason.page)
    return settings.CONNHUB_URL + _page(reason.page, about) if about else ""


@lru_cache(maxsize=1024)
def _page(name: str, *args: str) -> str:
    return reverse(name, args=args)


def in_short(code: str) -> Reason:
    """What the admin API alone refuses, in the words of the refusal."""
    kinds = tuple(kind for kind in _below(Refusal) if kind.code == code)
    return Reason(kinds, kinds[0].text, "The document’s detail says what to do in this case.")


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _reasons() -> Iterator[Reason]:
    yield from _about_the_key()
    yield from _about_the_connection()
    yield from _about_the_call()
    yield from _about_what_is_declared()
    yield from _about_the_moment()
    yield from _about_the_service()


def _about_the_key() -> Iterator[Reason]:
    yield Reason(
        (problems.Unauthorized,),
        "The call has no integration key, or one that is unknown, expired or revoked.",
        "Send a key that works as Authorization: Bearer chk_…. An admin of the integration sees on"
        " its Keys page whether the key has ended, and creates another.",
        "usage:integrations",
    )
    yield Reason(
        (problems.NotUsable, registration.NotRegistered),
        "The key's integration may not use a connection of this name. Whether there is one"
        " elsewhere is not said.",
        "Check the link name. If it is right, have an admin of the integration register the"
        " connection there.",
        "usage:connections",
    )
    yield Reason(
        (problems.CredentialsNotAllowed,),
        "The connection's access mode is proxy only: ConnHub adds the secret to calls and hands"
        " it to nobody.",
        "Call the service through the proxy. If the flow can't do without the secret, an admin of"
        " the connection changes its access mode.",
        "connections:edit",
    )


def _about_the_connection() -> Iterator[Reason]:
    yield Reason(
        (access.NotConnected,),
        "The connection has no credential yet that counts in the key's environment.",
        "An admin of the connection connects it.",
        "connections:authorize",
    )
    yield Reason(
        (access.ReconnectNeeded,),
        "The service ended the authorization: it was withdrawn there, or it is too old.",
        "An admin of the connection reconnects it. Until then no call over it succeeds.",
        "connections:authorize",
    )
    yield Reason(
        (access.ConnectionRevoked,),
        "Somebody revoked the connection, and its secret was destroyed.",
        "An admin of the connection brings it back by reconnecting it, if that is meant to be.",
        "connections:reconnect",
    )
    yield Reason(
        (access.ConnectionDisabled,),
        "Somebody disabled the connection for the time being. Its secret is kept.",
        "An admin of the connection enables it again.",
        "connections:summary",
    )
    yield Reason(
        (problems.AuthorizeAsUser,),
        "The connection uses the credentials of login users. The call names none, or one who has no"
        " access to the integration or has not authorized; which of these is not said.",
        "Name one user by e-mail address in X-ConnHub-User, and send them to authorize_url.",
        "connections:summary",
    )
    yield Reason(
        (access.CredentialUnreadable,),
        "The stored secret can't be opened: the key that it was sealed with is missing.",
        "Whoever runs ConnHub restores the key. Where it is lost, reconnect.",
        "connections:reconnect",
    )
    yield Reason(
        (access.CredentialIncomplete,),
        "The service was changed and asks for more than was entered for this connection.",
        "An admin of the connection enters what is missing.",
        "connections:edit",
    )
    yield Reason(
        (access.AppMissing,),
        "The connection signs in as an OAuth app whose client id or secret is not there.",
        "An admin of the connection adds them.",
        "connections:edit",
    )
    yield Reason(
        (access.AddressIncomplete,),
        "The service's address has a part that was not filled in, or leads where ConnHub does not"
        " call.",
        "An admin of the connection completes the address.",
        "connections:edit",
    )
    yield Reason(
        (PlaintextNeedsHTTPS,),
        "The connection signs with PLAINTEXT, which sends its secrets with every call, and the"
        " service's address is not https.",
        "Use an https address, or another signature method.",
        "connections:edit",
    )
    yield Reason(
        (problems.NotHTTP,),
        "What is behind the connection is a database or another server that is not called over"
        " HTTP.",
        "Fetch the credentials and connect to it directly.",
        "connections:guide",
    )


def _about_the_call() -> Iterator[Reason]:
    yield Reason(
        (problems.NotFound,),
        "ConnHub has no call at this path.",
        "Check the path against the documentation.",
        DOCS,
    )
    yield Reason(
        (refusals.MethodNotAllowed,),
        "The path is right and the method isn't, or the service is limited to other methods.",
        "Use one of the methods that the header Allow names.",
        DOCS,
    )
    yield Reason(
        (refusals.PathNotAllowed,),
        "The service is limited to some paths, and the call was to none of them or below.",
        "Call one of the paths that the connection's page names, or have an admin of the service"
        " allow this one.",
        "connections:summary",
    )
    yield Reason(
        (problems.InvalidRequest,),
        "The path, the query, a header or the body is not as the documentation says; detail names"
        " the place.",
        "Correct what detail names.",
        DOCS,
    )
    yield Reason(
        (refusals.BadPath,),
        "The path or query has something in it that servers read in different ways, such as dot"
        " segments or encoded slashes.",
        "Send the path as the service documents it, each part encoded once.",
        DOCS,
    )
    yield Reason(
        (refusals.BadHeader,),
        "A header is malformed, is there twice, or is one that ConnHub does not pass on.",
        "Leave it out or correct it.",
        DOCS,
    )
    yield Reason(
        (refusals.HeadersTooLarge,),
        "There are more than 100 headers, or more than 64 KiB of them.",
        "Send fewer or shorter ones.",
        DOCS,
    )
    yield Reason(
        (refusals.FormNeeded,),
        "The service takes its key in the body, which therefore has to be a form.",
        "Send the body as application/x-www-form-urlencoded, up to 1 MiB.",
        DOCS,
    )
    yield Reason(
        (Unsignable,),
        "The call is signed with OAuth 1.0a, and its query or form can't be.",
        "Encode it as UTF-8, and send fewer parameters.",
        DOCS,
    )
    yield Reason(
        (problems.RequestTooLarge,),
        "The body is larger than ConnHub takes: to services 10 MiB, unless whoever runs ConnHub"
        " set another limit; to ConnHub itself 2 MiB.",
        "Send it in smaller parts.",
        DOCS,
    )
    yield Reason(
        (problems.RequestIncomplete,),
        "Nothing more of the body came for too long a time.",
        "Send it again. Nothing was done, unless the service acts on half a body.",
        DOCS,
    )


def _about_what_is_declared() -> Iterator[Reason]:
    yield Reason(
        (flows.NoSuchFlow,),
        "The key's integration has no flow of this slug. Whether there is one elsewhere is not"
        " said.",
        "Check the slug; GET /api/v1/flows lists those that there are.",
        "usage:flows",
    )
    yield Reason(
        (flows.FlowSlugTaken,),
        "The slug belongs to a flow that is none of the key's integration.",
        "Choose another slug.",
        "usage:flows",
    )
    yield Reason(
        (data_objects.NoSuchDataObject,),
        "No app of the key's integration has a data object of this name. Whether there is one"
        " elsewhere is not said.",
        "Check the app's slug and the name; GET /api/v1/data-objects lists those that there are.",
        "usage:apps",
    )
    yield Reason(
        (data_objects.AppSlugTaken,),
        "The slug belongs to an app that is none of the key's integration.",
        "Choose another slug for the app.",
        "usage:apps",
    )
    yield Reason(
        (data_objects.TooManyDataObjects,),
        "The app has as many data objects as an app can have.",
        "Withdraw some that are no longer read, or declare this one for another app.",
        "usage:apps",
    )
    yield Reason(
        (functions.NoSuchFunction,),
        "The key's integration has no function of this name. Whether there is one elsewhere is not"
        " said.",
        "Check the name; GET /api/v1/functions lists those that there are.",
        "usage:functions",
    )
    yield Reason(
        (declaring.Changed,),
        "If-Match or If-None-Match names a state that it is not in: somebody else saved or deleted"
        " it meanwhile.",
        "Fetch it, see what is different, and send the change with the new ETag.",
        "usage:flows",
    )
    yield Reason(
        (registration.RegistrationNotOffered, selecting.NotOfTheApp),
        "The integration is an app that comes with its connections. Something selects another one.",
        "Use the connections that the app comes with.",
        "usage:connections",
    )


def _about_the_moment() -> Iterator[Reason]:
    yield Reason(
        (problems.RateLimited,),
        "There were more calls than whoever runs ConnHub allows: with this key, over this"
        " connection, or with unknown keys from this address.",
        "Wait, then go on slower.",
        DOCS,
    )
    yield Reason(
        (RenewalFailed,),
        "The access token has expired, and the service didn't issue another just now. That may"
        " pass by itself.",
        "Try again in some seconds. If it stays, test the connection.",
        "connections:summary",
    )
    yield Reason(
        (AuditUnavailable,),
        "ConnHub does nothing that it can't put on record, and the record can't be written.",
        "Try again in some seconds; tell whoever runs ConnHub if it stays.",
    )
    yield Reason(
        (revision.DatabaseAway,),
        "ConnHub can't reach its database, so it can't tell what the key may do.",
        "Try again in some seconds; tell whoever runs ConnHub if it stays.",
    )
    yield Reason(
        (problems.InternalError,),
        "Something in ConnHub failed that should not.",
        "Tell whoever runs ConnHub the request_id: the log has the call under it.",
    )


def _about_the_service() -> Iterator[Reason]:
    yield Reason(
        (problems.UpstreamUnreachable,),
        "No connection to the service came about: its name, its certificate or its server.",
        "Try again later. If it stays, test the connection, and check its address.",
        "connections:summary",
    )
    yield Reason(
        (problems.UpstreamTimeout,),
        "The service took the call and didn't answer in time.",
        "Find out whether the service did what was asked before sending it again.",
        "connections:summary",
    )
    yield Reason(
        (problems.UpstreamMalformed,),
        "The service's answer is no proper HTTP, or it broke off.",
        "Try again later. If it stays, ask whoever runs the service.",
        "connections:summary",
    )
    yield Reason(
        (problems.AnswerTooLarge,),
        "The service's answer is larger than ConnHub passes on, or grows too much when it is"
        " decompressed.",
        "Ask for less at a time, page by page.",
        "connections:summary",
    )


BY_CODE = {reason.code: reason for reason in _reasons()}
