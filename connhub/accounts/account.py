"""What super admins decide for everybody."""

from django.db import transaction

from connhub.audit.log import record
from connhub.errors import Refusal

from . import second_factor
from .ending import end_tokens
from .models import Account, AdminToken, Session, User
from .people import require_now


class NoSecondFactorYourself(Refusal):
    code = "no-second-factor-yourself"
    text = "Set up your own second factor first. Otherwise you would lock yourself out."


@transaction.atomic
def require_second_factor(required: bool, *, by: User) -> None:
    """Decide whether everybody needs one.

    Once they do, whoever has none is signed out, and led to setting one up at the next sign-in.
    Their admin tokens end.

    Raises:
        PermissionDenied: `by` is no super admin.
        NoSecondFactorYourself: it is required, and they have none.
    """
    by = require_now(by, "account.administer")
    if required and not second_factor.is_on(by):
        raise NoSecondFactorYourself
    account, _ = Account.objects.select_for_update(no_key=True).get_or_create(pk=1)
    if account.require_second_factor == required:
        return
    account.require_second_factor = required
    account.save(update_fields=["require_second_factor"])
    if required:
        without = User.objects.exclude(second_factor__confirmed_at__isnull=False)
        Session.objects.filter(user__in=without).delete()
        end_tokens(AdminToken.objects.filter(person__in=without), by=by)
    action = "account.second_factor_required" if required else "account.second_factor_optional"
    record(action, by=by, change=False)
