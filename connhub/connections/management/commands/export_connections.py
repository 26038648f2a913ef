import os
from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand
from django.http import QueryDict
from django.template.defaultfilters import pluralize

from connhub.connections import listing
from connhub.connections.bundles import exporting
from connhub.connections.forms import FilterForm
from connhub.connections.management.asking import ask_passphrase, person, stop
from connhub.connections.models import Connection
from connhub.errors import Refusal
from connhub.vault import passphrase


class Command(BaseCommand):
    help = "Exports the connections that a person administers into one file, sealed under a passphrase."

    def add_arguments(self, parser):
        parser.add_argument("file", help="the file to write; it must not exist")
        parser.add_argument("link_names", nargs="*", metavar="LINK_NAME", help="these alone")
        parser.add_argument(
            "--filter", metavar="QUERY", help="as in the listing's URL, such as service=slack&q=crm"
        )
        parser.add_argument("--with-secrets", action="store_true", help="the secrets, too")
        parser.add_argument("--by", required=True, metavar="EMAIL", help="who exports")
        parser.add_argument(
            "--passphrase-file", metavar="FILE", help="holds the passphrase; else it is asked for"
        )

    def handle(self, *, file, link_names, filter, with_secrets, by, passphrase_file, **options):
        who, path = person(by), Path(file)
        if link_names and filter:
            raise stop("Give either link names or --filter.")
        if path.exists():
            raise stop(f"{path} exists already.")
        wanted = _wanted(who, link_names, filter)
        sealed_under = ask_passphrase(passphrase_file, twice=True)
        if not passphrase.is_long_enough(sealed_under):
            raise stop("The passphrase needs at least 14 characters.")
        try:
            count = wanted.count()
            content = exporting.export(
                wanted, with_secrets=with_secrets, sealed_under=sealed_under, by=who
            )
        except Refusal as refusal:
            raise stop(refusal.text) from None
        except PermissionDenied:
            raise stop(f"{who.email} doesn't administer all of them.") from None
        _write(path, content)
        self.stdout.write(f"{count:,} connection{pluralize(count)} exported to {path}.")


def _wanted(who, link_names, query):
    theirs = Connection.objects.administered_by(who)
    if link_names:
        found = Connection.objects.live().filter(link_name__in=link_names)
        missing = set(link_names) - set(
            theirs.filter(pk__in=found).values_list("link_name", flat=True)
        )
        if missing:
            raise stop(f"{who.email} administers no connection {min(missing)}.")
        return found
    if not query:
        return theirs
    filters = FilterForm.over(QueryDict(query), theirs)
    if not filters.is_valid() or set(QueryDict(query)) - set(filters.fields):
        raise stop("--filter makes no sense. Copy what stands after the ? in the listing's URL.")
    return listing.filtered(theirs, filters.wanted, who)


def _write(path: Path, content: bytes) -> None:
    """A new file that only its owner may read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise stop(f"{path} can't be written ({error.strerror}).") from None
