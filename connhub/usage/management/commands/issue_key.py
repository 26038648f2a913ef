from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from connhub.accounts.models import Environment, User
from connhub.errors import Refusal
from connhub.usage import keys
from connhub.usage.models import Integration, IntegrationKey

LONGEST_DAYS = 3650


class Command(BaseCommand):
    help = "Makes an integration key for any environment and prints it, once, to standard output."

    def add_arguments(self, parser):
        parser.add_argument("integration", help="slug of the integration")
        parser.add_argument("environment", help="slug of the environment, such as production")
        parser.add_argument(
            "--name", help="what presents the key (a key that takes a place has the old one's)"
        )
        parser.add_argument(
            "--days", type=int, default=365, help="valid for so long (default: 365)"
        )
        parser.add_argument(
            "--replaces", metavar="PREFIX", help="the key whose place it takes begins with this"
        )
        parser.add_argument(
            "--overlap-days",
            type=int,
            default=7,
            help="the replaced key works on for so long (default: 7)",
        )
        parser.add_argument("--by", required=True, metavar="EMAIL", help="the admin who issues it")

    def handle(
        self, *, integration, environment, name, days, by, replaces, overlap_days, **options
    ):
        for option, count in (("--days", days), ("--overlap-days", overlap_days)):
            if not 1 <= count <= LONGEST_DAYS:
                raise _stop(f"{option} must be between 1 and {LONGEST_DAYS}.")
        if bool(name) == bool(replaces):
            raise _stop("Give either --name or --replaces.")
        person = _one(
            User.objects.filter(is_active=True), "active person", email=by.strip().lower()
        )
        where = {
            "integration": _one(Integration.objects.all(), "integration", slug=integration),
            "environment": _one(Environment.objects.all(), "environment", slug=environment),
        }
        valid = {"by": person, "expires_in": timedelta(days=days)}
        try:
            if replaces:
                old = _one(IntegrationKey.objects.filter(**where), "such key", prefix=replaces)
                _, token = keys.rotate(old, overlap=timedelta(days=overlap_days), **valid)
            else:
                _, token = keys.issue(**where, name=_named(name), **valid)
        except PermissionDenied:
            raise _stop(
                f"{person.email} may not: it takes an admin of the integration,"
                " with the role admin for all but the lowest environment."
            ) from None
        except Refusal as refusal:
            raise _stop(str(refusal)) from None
        self.stdout.write(token)


def _named(name: str) -> str:
    if not name.strip() or len(name) > 80 or not name.isprintable():
        raise _stop("--name must be 1 to 80 ordinary characters.")
    return name.strip()


def _one(queryset, what: str, **by):
    found = queryset.filter(**by).first()
    if found is None:
        raise _stop(f"There is no {what} {next(iter(by.values()))}.")
    return found


def _stop(why: str) -> CommandError:
    return CommandError(why, returncode=2)
