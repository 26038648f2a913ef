from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand

from connhub.connections.bundles import applying, foreign, imports, preview
from connhub.connections.bundles.document import MAX_BYTES
from connhub.connections.bundles.preview import Choice, Decisions, State
from connhub.connections.management.asking import ask_passphrase, person, read, stop
from connhub.errors import Refusal

IN_USE = (State.CHANGED, State.TAKEN)


class Command(BaseCommand):
    help = "Imports connections, all or nothing, from a file that ConnHub, Airflow or a .env holds."

    def add_arguments(self, parser):
        parser.add_argument("file", help="the file to read")
        parser.add_argument("--by", required=True, metavar="EMAIL", help="whose they will be")
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--airflow", action="store_true", help="FILE is from `airflow connections export`"
        )
        source.add_argument(
            "--env", action="store_true", help="FILE has lines NAME=scheme://user:password@host/…"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen")
        existing = parser.add_mutually_exclusive_group()
        for choice, about in (
            (Choice.KEEP, "leave out those whose link name is in use here"),
            (Choice.REPLACE, "replace those that the person administers"),
            (Choice.ADD, "add those under a new link name"),
        ):
            existing.add_argument(
                f"--{choice.value}", dest="existing", action="store_const", const=choice.value,
                help=about,
            )  # fmt: skip
        parser.add_argument("--tag", action="append", default=[], help="for all that comes in")
        parser.add_argument(
            "--grants-move", action="store_true",
            help="nobody else uses the OAuth grants any more; else each is to be reconnected",
        )  # fmt: skip
        parser.add_argument(
            "--passphrase-file", metavar="FILE", help="holds the passphrase; else it is asked for"
        )

    def handle(self, *, by, existing, tag, grants_move, dry_run, **options):
        who = person(by)
        if any(not name.strip() or len(name) > 40 or not name.isprintable() for name in tag):
            raise stop("--tag must be 1 to 40 ordinary characters.")
        decisions = Decisions(existing or Choice.KEEP, tags=tag, moves=grants_move)
        try:
            bundle = self._read(who, options)
            entries = preview.look(bundle, decisions, who)
            self._tell(entries, dry_run)
            if dry_run:
                return
            in_use = sum(entry.state in IN_USE for entry in entries)
            if in_use and existing is None:
                raise stop(f"Link names in use here: {in_use}. Say --keep, --replace or --add.")
            outcome = applying.apply(bundle, decisions, by=who, seen=preview.fingerprint(entries))
        except Refusal as refusal:
            raise stop(refusal.text) from None
        except PermissionDenied:
            raise stop(f"{who.email} may not do this.") from None
        self.stdout.write(f"{outcome}.")

    def _read(self, who, options):
        data = read(options["file"], MAX_BYTES)
        if not (options["airflow"] or options["env"]):
            sealed_under = ask_passphrase(options["passphrase_file"])
            return imports.open_file(data, sealed_under, by=who)
        found = foreign.airflow(data) if options["airflow"] else foreign.env(data)
        for sentence in found.left_out:
            self.stderr.write(sentence)
        return found.bundle

    def _tell(self, entries, dry_run: bool) -> None:
        """What would happen with each; without --dry-run, what can't be imported alone."""
        for entry in entries:
            if entry.state == State.BLOCKED:
                self.stderr.write(f"{entry.item.link_name}: {entry.why}")
            elif dry_run:
                changes = ", ".join(change.what for change in entry.changes)
                about = f" ({changes})" if changes else ""
                self.stdout.write(
                    f"{entry.item.link_name}: {entry.state.label}{about}. {entry.will}."
                )
