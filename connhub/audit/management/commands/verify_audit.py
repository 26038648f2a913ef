from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from connhub.audit.forwarding import holds
from connhub.audit.verify import verify


class Command(BaseCommand):
    help = "Checks that no audit event was changed, removed, added or moved."

    def add_arguments(self, parser):
        parser.add_argument(
            "--head",
            metavar="FILE or SEQUENCE:MAC",
            help="a head noted earlier, or the file with it; it must still be in the chain",
        )

    def handle(self, *args, head=None, **options):
        verdict = verify()
        if verdict.problem:
            raise CommandError(f"The audit log does not hold. {verdict.problem}", returncode=2)
        if head and not holds(self._noted(head)):
            raise CommandError(
                "The audit log does not hold. The given head isn't in it.", returncode=2
            )
        self.stdout.write(f"{verdict.events} events, chain whole. Head {verdict.head}")

    def _noted(self, head: str) -> str:
        if ":" in head:
            return head
        try:
            return Path(head).read_text().strip()
        except (OSError, ValueError):
            raise CommandError(f"There is no head to be read in {head}.", returncode=2) from None
