"""What is still a person's, by kind: each a queryset, so that a page and a count are quick."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast, Lower
from django.urls import reverse

from connhub.accounts.models import AdminToken, User
from connhub.accounts.people import Left
from connhub.connections.models import Connection, Credential
from connhub.paging import Order
from connhub.sharing import roles
from connhub.sharing.kinds import kinds as shared_kinds

from ..models import App, Flow, Function, Integration, IntegrationKey

MOST = 500
KEY = re.compile(r"[0-9]{1,18}|[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one kind: `words` count one and many, `about` says what becomes of them."""

    name: str
    label: str
    words: tuple[str, str]
    about: str
    found: Callable[[User], QuerySet]
    order: Order
    actions: tuple[str, ...]

    def first(self, person: User) -> list[Any]:
        """As many as are done in one go, in the order of the page."""
        ordered = self.found(person).order_by(self.order.key, self.order.unique)
        return list(ordered[:MOST])

    def named(self, person: User, keys: Collection[str]) -> list[Any]:
        """Those with these keys; none, if one of the keys can't be one."""
        if not all(KEY.fullmatch(key) for key in keys):
            return []
        found = self.found(person).order_by(self.order.key, self.order.unique)
        try:
            return list(found.filter(pk__in=keys))
        except (ValueError, ValidationError):  # the key of something of another kind
            return []


def _direct(person: User, model: Any) -> Q:
    mine = roles.user_grants(model).filter(user=person)
    return Q(pk__in=mine.values("content_object"))


def _alone(person: User, model: Any) -> Q:
    """By themself or through a team that nobody else active is in."""
    return roles.administered_by(person, model) & roles.unadministered(model, without=person)


def alone(person: User) -> QuerySet[Connection]:
    return Connection.objects.live().filter(_alone(person, Connection))


def with_others(person: User) -> QuerySet[Connection]:
    others = ~roles.unadministered(Connection, without=person)
    return Connection.objects.live().filter(_direct(person, Connection), others)


def services(person: User) -> QuerySet:
    return _administered(person, shared_kinds["service"].live())


def integrations(person: User) -> QuerySet[Integration]:
    return _administered(person, Integration.objects.select_related("project"))


def _standing_alone(model: Any) -> Callable[[User], QuerySet]:
    return lambda person: model.objects.alone().filter(owner=person)


def _administered(person: User, things: QuerySet) -> QuerySet:
    """Where somebody else may take the person's place, or has to."""
    return things.filter(_direct(person, things.model) | _alone(person, things.model))


def connected(person: User) -> QuerySet[Credential]:
    """The connections' own credentials that the person authorized or typed in."""
    own = Credential.objects.own().live().filter(connection__deleted_at=None)
    return _with_tie(own.filter(connected_by=person))


def sign_ins(person: User) -> QuerySet[Credential]:
    theirs = Credential.objects.live().filter(user=person, connection__deleted_at=None)
    return _with_tie(theirs)


def admin_tokens(person: User) -> QuerySet[AdminToken]:
    return person.admin_tokens.usable().annotate(tie=Cast("pk", CharField()))


def _with_tie(credentials: QuerySet[Credential]) -> QuerySet[Credential]:
    whole = credentials.select_related("connection__service", "environment").defer("payload")
    return whole.annotate(tie=Cast("pk", CharField()))


_BY_CONNECTION = Order("connection", Lower("connection__name"), "tie")
_BY_NAME = Order("name", Lower("name"), "link_name")
_BY_SLUG = Order("name", Lower("name"), "slug")

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "alone",
            "Administered alone",
            ("connection that they alone administer", "connections that they alone administer"),
            "Nobody else active administers these. They have to be transferred first.",
            alone,
            _BY_NAME,
            ("transfer",),
        ),
        Kind(
            "with_others",
            "With others",
            ("connection that others administer, too", "connections that others administer, too"),
            "These have other admins. Transferring puts somebody else into the place of this one.",
            with_others,
            _BY_NAME,
            ("transfer",),
        ),
        Kind(
            "services",
            "Custom services",
            ("custom service that they administer", "custom services that they administer"),
            "Custom services that they may edit, share and delete.",
            services,
            _BY_SLUG,
            ("transfer",),
        ),
        Kind(
            "integrations",
            "Integrations",
            ("integration that they administer", "integrations that they administer"),
            "Integrations whose members, keys and connections they look after.",
            integrations,
            _BY_SLUG,
            ("transfer",),
        ),
        Kind(
            "flows",
            "Standalone flows",
            ("flow of theirs that stands alone", "flows of theirs that stand alone"),
            "Flows that belong to no integration yet. Nobody else can change or attach them.",
            _standing_alone(Flow),
            _BY_SLUG,
            ("hand_over",),
        ),
        Kind(
            "apps",
            "Standalone apps",
            ("app of theirs that stands alone", "apps of theirs that stand alone"),
            "Apps that belong to no integration. Nobody else can change them.",
            _standing_alone(App),
            _BY_SLUG,
            ("hand_over",),
        ),
        Kind(
            "functions",
            "Standalone functions",
            ("function of theirs that stands alone", "functions of theirs that stand alone"),
            "Functions that belong to no integration. Nobody else can change them.",
            _standing_alone(Function),
            Order("name", Lower("name"), "pk"),
            ("hand_over",),
        ),
        Kind(
            "connected",
            "Connected by them",
            (
                "credential that they authorized or typed in",
                "credentials that they authorized or typed in",
            ),
            "These go on working with what they authorized with their outside account or typed in, "
            "until somebody reconnects or revokes them. What came by a connect link isn't among "
            "them: it is somebody else's.",
            connected,
            _BY_CONNECTION,
            ("ask", "revoke"),
        ),
        Kind(
            "sign_ins",
            "Their sign-ins",
            ("sign-in of their own", "sign-ins of their own"),
            "Credentials for calls in their own name. They end with the account, or now.",
            sign_ins,
            _BY_CONNECTION,
            ("end",),
        ),
        Kind(
            "keys",
            "Keys issued",
            ("integration key that they issued", "integration keys that they issued"),
            "Keys that still work, whoever has them now. They don't end with the account.",
            IntegrationKey.objects.usable_issued_by,
            Order("name", Lower("name"), "tie"),
            ("revoke_keys",),
        ),
        Kind(
            "admin_tokens",
            "Admin tokens",
            ("admin token of theirs", "admin tokens of theirs"),
            "Programs that present these do what this person may. They end with the account, or now.",
            admin_tokens,
            Order("name", Lower("name"), "tie"),
            ("revoke_tokens",),
        ),
    )
}


def counts(person: User) -> dict[str, int]:
    """How many of each kind, in a query for each."""
    return {name: kind.found(person).count() for name, kind in KINDS.items()}


def left(person: User) -> list[Left]:
    """What deactivating would leave behind, of each kind that there is some of."""
    url = reverse("leaving", args=[person.public_id])
    return [
        Left(
            count,
            KINDS[name].words[count > 1],
            f"{url}?kind={name}",
            blocks="transfer" in KINDS[name].actions
            and _is_stuck(KINDS[name].found(person), person),
        )
        for name, count in counts(person).items()
        if count
    ]


def _is_stuck(things: QuerySet, person: User) -> bool:
    """Whether nobody active but the person administers one of them."""
    return things.filter(roles.unadministered(things.model, without=person)).exists()
