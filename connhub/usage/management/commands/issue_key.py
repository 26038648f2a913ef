from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from connhub.accounts.models import Environment, User
from connhub.usage import keys
from connhub.usage.models import Integration

LONGEST_DAYS = 3650


class Command(BaseCommand):
    help = "Makes an integration key for any environment and prints it, once, to standard output."

    def add_arguments(self, parser):
        parser.add_argument("integration", help="slug of the integration")
        parser.add_argument("environment", help="slug of the environment, such as production")
        parser.add_argument("--name", required=True, help="what presents the key")
        parser.add_argument(
            "--days", type=int, default=365, help="valid for so long (default: 365)"
        )
        parser.add_argument("--by", required=True, metavar="EMAIL", help="the admin who issues it")

    def handle(self, *, integration, environment, name, days, by, **options):
        if not 1 <= days <= LONGEST_DAYS:
            raise _stop(f"--days must be between 1 and {LONGEST_DAYS}.")
        if not name.strip() or len(name) > 80 or not name.isprintable():
            raise _stop("--name must be 1 to 80 ordinary characters.")
        person = _one(
            User.objects.filter(is_active=True), "active person", email=by.strip().lower()
        )
        try:
            _, token = keys.issue(
                _one(Integration.objects.all(), "integration", slug=integration),
                _one(Environment.objects.all(), "environment", slug=environment),
                name=name.strip(),
                by=person,
                expires_in=timedelta(days=days),
            )
        except PermissionDenied:
            raise _stop(
                f"{person.email} may not: it takes an admin of the integration,"
                " with the role admin for all but the lowest environment."
            ) from None
        self.stdout.write(token)


def _one(queryset, what: str, **by):
    found = queryset.filter(**by).first()
    if found is None:
        raise _stop(f"There is no {what} {next(iter(by.values()))}.")
    return found


def _stop(why: str) -> CommandError:
    return CommandError(why, returncode=2)
