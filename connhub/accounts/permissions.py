"""Who may do what, to what, in which state of it: one table for pages, API, admin and tests.

What the table doesn't name is denied. Each app's `policies.py` says what a person can be to its
things, and how these stand; operations refuse by the table, and pages offer by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model

from .models import Role, User


class Who(Flag):
    """What a person is, in the account and to one thing."""

    NOBODY = 0
    EVERYBODY = auto()
    ADMIN = auto()
    SUPER_ADMIN = auto()
    ITS_ADMIN = auto()
    ITS_MEMBER = auto()
    ITS_USER = auto()
    ITS_OWNER = auto()


IN_WORDS = {
    Who.EVERYBODY: "everybody signed in",
    Who.ADMIN: "the roles admin and super admin",
    Who.SUPER_ADMIN: "super admins",
    Who.ITS_ADMIN: "its admins",
    Who.ITS_MEMBER: "its members",
    Who.ITS_USER: "those who use it through an integration",
    Who.ITS_OWNER: "its owner",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may: to things `of` one sort (if it names one), while in one of `only` and none of `never`.

    To what is deleted nothing may be done, unless `only` says so.
    """

    who: Who
    of: str = ""
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def concerns(self, state: frozenset[str]) -> bool:
        """Whether it speaks of such a thing at all, as it will ever be."""
        is_gone = "deleted" in state and "deleted" not in self.only
        return not is_gone and (not self.of or self.of in state)

    def holds_in(self, state: frozenset[str]) -> bool:
        """Whether it allows something now."""
        now = not self.only or not state.isdisjoint(self.only)
        return self.concerns(state) and now and state.isdisjoint(self.never)


_EVERYBODY, _ADMINS, _SUPER_ADMINS = Rule(Who.EVERYBODY), Rule(Who.ADMIN), Rule(Who.SUPER_ADMIN)
_ITS_ADMINS, _ITS_MEMBERS, _ITS_USERS = (
    Rule(Who.ITS_ADMIN),
    Rule(Who.ITS_MEMBER),
    Rule(Who.ITS_USER),
)
_CUSTOM = Rule(Who.ITS_ADMIN, of="custom")
_STANDALONE = Rule(Who.ITS_OWNER, of="standalone")
_STANDALONE_OF_ANYBODY = Rule(Who.ITS_OWNER | Who.SUPER_ADMIN, of="standalone")

TABLE: dict[str, list[Rule]] = {
    "account.administer": [_SUPER_ADMINS],
    "account.audit": [_SUPER_ADMINS],
    "account.transfer": [_SUPER_ADMINS],
    "admin_token.issue": [_EVERYBODY],
    "admin_token.revoke": [Rule(Who.ITS_OWNER | Who.SUPER_ADMIN)],
    "team.change": [_SUPER_ADMINS],
    "environment.change": [_SUPER_ADMINS],
    "environment.connect_in": [Rule(Who.EVERYBODY, of="lowest"), _ADMINS],
    "service.create": [_ADMINS],
    "service.edit": [_CUSTOM],
    "service.delete": [_CUSTOM],
    "service.list": [_CUSTOM, _SUPER_ADMINS],
    "service.set_app": [_SUPER_ADMINS],
    "service.see_admins": [_CUSTOM, Rule(Who.SUPER_ADMIN, of="custom")],
    "service.share": [_CUSTOM],
    "service.share_to_self": [Rule(Who.SUPER_ADMIN, of="custom")],
    "connection.create": [_EVERYBODY],
    "connection.see": [_ITS_ADMINS, _SUPER_ADMINS],
    "connection.use": [_ITS_ADMINS, _ITS_USERS],
    "connection.find_usage": [_ITS_ADMINS, _ITS_USERS, _SUPER_ADMINS],
    "connection.edit": [_ITS_ADMINS],
    "connection.rename": [_ITS_ADMINS],
    "connection.tag": [_ITS_ADMINS],
    "connection.test": [_ITS_ADMINS],
    "connection.reconnect": [_ITS_ADMINS],
    "connection.rotate": [_ITS_ADMINS],
    "connection.set_environment": [_ITS_ADMINS],
    "connection.disable": [Rule(Who.ITS_ADMIN, never=("disabled",))],
    "connection.enable": [Rule(Who.ITS_ADMIN, only=("disabled",))],
    "connection.duplicate": [_ITS_ADMINS],
    "connection.export": [_ITS_ADMINS],
    "connection.make_available": [_ITS_ADMINS],
    "connection.replace": [_ITS_ADMINS],
    "connection.try": [_ITS_ADMINS],
    "connection.send_connect_link": [_ITS_ADMINS],
    "connection.remove_sign_in": [_ITS_ADMINS],
    "connection.see_admins": [_ITS_ADMINS, _SUPER_ADMINS],
    "connection.share": [_ITS_ADMINS],
    "connection.share_to_self": [_SUPER_ADMINS],
    "connection.revoke": [_ITS_ADMINS],
    "connection.delete": [_ITS_ADMINS],
    "connection.restore": [Rule(Who.ITS_ADMIN, only=("deleted",))],
    "project.create": [_ADMINS],
    "project.see": [_ITS_ADMINS, _ITS_MEMBERS, _SUPER_ADMINS],
    "project.rename": [_ITS_ADMINS, Rule(Who.SUPER_ADMIN, of="empty")],
    "project.delete": [_ITS_ADMINS, Rule(Who.SUPER_ADMIN, of="empty")],
    "integration.create": [_ADMINS],
    "integration.see": [_ITS_ADMINS, _ITS_MEMBERS, _SUPER_ADMINS],
    "integration.edit": [_ITS_ADMINS],
    "integration.delete": [_ITS_ADMINS],
    "integration.register": [Rule(Who.ITS_ADMIN, never=("integration app",))],
    "integration.change_members": [_ITS_ADMINS],
    "integration.issue_key": [_ITS_ADMINS],
    "integration.see_admins": [_ITS_ADMINS, _ITS_MEMBERS, _SUPER_ADMINS],
    "integration.share": [_ITS_ADMINS],
    "integration.share_to_self": [_SUPER_ADMINS],
    "integration.revoke_key": [Rule(Who.ITS_ADMIN | Who.SUPER_ADMIN)],
    "integration.declare": [_ITS_ADMINS, _ITS_MEMBERS],
    "integration.undeclare": [_ITS_ADMINS],
    "standalone.create": [_EVERYBODY],
    "standalone.see": [_STANDALONE_OF_ANYBODY],
    "standalone.save": [_STANDALONE],
    "standalone.delete": [_STANDALONE_OF_ANYBODY],
}

Ask = Callable[[User, Any], bool]

# By kind of thing: how to ask what a person is to one, and its state. Each app fills in its own.
relations: dict[type, dict[Who, Ask]] = {}
states: dict[type, Callable[[Any], frozenset[str]]] = {}


def in_the_account(user: User) -> Who:
    """What the person is by their role; nobody, once they are deactivated."""
    if not user.is_active:
        return Who.NOBODY
    by_role = {Role.ADMIN: Who.ADMIN, Role.SUPER_ADMIN: Who.ADMIN | Who.SUPER_ADMIN}
    return Who.EVERYBODY | by_role.get(Role(user.role), Who.NOBODY)


def may(user: User, action: str, thing: Model | None = None) -> bool:
    """Whether the person may do it to the thing, as both are now."""
    state = state_of(thing)
    return _is_any_of(user, [r for r in TABLE.get(action, []) if r.holds_in(state)], thing)


def require(user: User, action: str, thing: Model | None = None) -> None:
    """Let only those go on who may, in whatever state: that, the operation itself refuses.

    Raises: PermissionDenied.
    """
    state = state_of(thing)
    if not _is_any_of(user, [r for r in TABLE.get(action, []) if r.concerns(state)], thing):
        raise PermissionDenied


def _is_any_of(user: User, rules: list[Rule], thing: Model | None) -> bool:
    wanted = Who.NOBODY
    for rule in rules:
        wanted |= rule.who
    has, ask = in_the_account(user), relations.get(type(thing), {})
    if not has:
        return False
    return bool(wanted & has) or any(who in ask and ask[who](user, thing) for who in wanted)


def state_of(thing: Model | None) -> frozenset[str]:
    """In which of the states that rules speak of the thing is."""
    return states[type(thing)](thing) if type(thing) in states else frozenset()
