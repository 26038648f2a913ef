"""Apps: which external data objects they have, each over a connection."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus

from django.db import transaction

from connhub.audit.log import record
from connhub.errors import Refusal

from . import declaring
from .declaring import MOST_USES, Changed, OnlyIf, Saved, Sort, where
from .models import App, DataObject, IntegrationKey


class AppSlugTaken(Refusal):
    code = "app-slug-taken"
    text = "This app slug can't be used. Choose another."


class AppGone(Refusal):
    code = "app-gone"
    text = "This app was deleted meanwhile. Reload the page."


class TooManyDataObjects(Refusal):
    code = "too-many-data-objects"
    text = f"An app has {MOST_USES} data objects at most. Delete some first."


class NoSuchDataObject(Refusal):
    code = "no-such-data-object"
    text = "No app of the key's integration has a data object of this name. Check both."
    status = HTTPStatus.NOT_FOUND


@dataclass(frozen=True, slots=True)
class DeclaredObject:
    """A data object, and the link name of the connection that it is read over."""

    name: str
    connection: str

    @property
    def key(self) -> str:
        return self.name


SORT = Sort(
    App,
    uses="data_objects",
    use=DeclaredObject,
    taken=AppSlugTaken,
    gone=AppGone,
    absent=NoSuchDataObject,
    saved="app.saved",
    deleted="app.deleted",
    transferred="app.transferred",
    reserved=("new",),
)


@transaction.atomic
def declare(
    slug: str,
    declared: DeclaredObject,
    *,
    name: str | None = None,
    by: IntegrationKey,
    only_if: OnlyIf | None = None,
) -> Saved:
    """Save one data object of an app of the key's integration; the app, too, if it is new.

    `name` is the app's, which is called as its slug says otherwise. `is_new` says whether the
    data object is. Said twice, it changes nothing.

    Raises: as `declaring.declare` does, `only_if` being about the data object; TooManyDataObjects.
    """
    integration = declaring.locked_for_key(by)
    app = declaring.own(SORT, slug, integration)
    before = dict(DataObject.objects.filter(app=app).values_list("name", "connection__link_name"))
    is_new = declared.name not in before
    _require_state(app, before.get(declared.name), only_if)
    if is_new and len(before) >= MOST_USES:
        raise TooManyDataObjects
    others = [DeclaredObject(*each) for each in before.items() if each[0] != declared.name]
    called = name or (app.name if app else slug)
    saved = declaring.declare(SORT, slug, name=called, uses=[*others, declared], by=by)
    return replace(saved, is_new=is_new)


@transaction.atomic
def withdraw(slug: str, name: str, *, by: IntegrationKey, only_if: OnlyIf | None = None) -> None:
    """Take one data object away; its app goes with the last.

    Raises: Unauthorized; NoSuchDataObject; Changed, if `only_if` says no to its version.
    """
    integration = declaring.locked_for_key(by)
    rows = DataObject.objects.filter(app__slug=slug, app__integration=integration, name=name)
    row = rows.select_related("app", "connection").first()
    if row is None:
        raise NoSuchDataObject
    app = declaring.locked_thing(SORT, row.app, integration)
    _require_state(app, row.connection.link_name, only_if)
    row.delete()
    if app.data_objects.exists():
        record("app.saved", by=by, on=app, fields=[name], detail=where(app, integration))
    else:
        declaring.end(SORT, app, integration, by=by)


def version_of(app: App, link_name: str) -> str:
    """What tells one state of a data object from another: its app's name, and what it goes over."""
    return sha256(json.dumps([app.name, link_name]).encode()).hexdigest()[:32]


def _require_state(app: App | None, link_name: str | None, only_if: OnlyIf | None) -> None:
    version = version_of(app, link_name) if app and link_name else ""
    if only_if is not None and not only_if(version):
        raise Changed
