"""Somebody else takes a person's place among the admins of what they administer."""

from collections.abc import Sequence
from typing import Any

from django.db import models, transaction

from connhub.accounts.grants import lock_admins
from connhub.accounts.models import User
from connhub.accounts.people import require_now
from connhub.audit.log import record_each

from . import letters, roles
from .admins import Admin, CantBeAdded, LastAdmin, require_there


@transaction.atomic
def transfer(
    things: models.QuerySet[Any], *, person: User, to: Sequence[Admin], by: User
) -> list[models.Model]:
    """Make people and teams admins of objects of one kind instead of a person; of which ones.

    A duty of super admins, who needn't administer them: those that the person doesn't administer
    are left alone. What the person has through a team the team keeps. Everybody concerned gets one
    letter.

    Raises:
        PermissionDenied: `by` is no super admin.
        CantBeAdded: one of them is deactivated, gone, or the person themself.
        LastAdmin: nobody active but the person would administer one of them.
    """
    lock_admins()
    require_now(by, "account.transfer")
    people = require_there(to)
    if person in to:
        raise CantBeAdded
    model = things.model
    theirs = list(things.filter(roles.administered_by(person, model)).order_by("pk"))
    roles.adopt(theirs, to, by=by)
    roles.grant_each(theirs, to, by=by)
    roles.user_grants(model).filter(user=person, content_object__in=theirs).delete()
    left = model._default_manager.filter(pk__in=[thing.pk for thing in theirs])
    # Somebody active who administers all of them now is enough; a team may have nobody.
    is_left = not any(each != person for each in people)
    if is_left and left.filter(roles.unadministered(model, without=person)).exists():
        raise LastAdmin
    facts = {"from": str(person), "whom": ", ".join(map(str, to))}
    name = model._meta.model_name
    record_each(f"{name}.transferred", ((thing, [], facts) for thing in theirs), by=by)
    letters.transferred(theirs, people, person=person, by=by)
    return theirs
