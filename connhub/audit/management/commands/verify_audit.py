from django.core.management.base import BaseCommand, CommandError

from connhub.audit.models import Event
from connhub.audit.verify import verify


class Command(BaseCommand):
    help = "Checks that no audit event was changed, removed, added or moved."

    def add_arguments(self, parser):
        parser.add_argument(
            "--head",
            metavar="SEQUENCE:MAC",
            help="a head noted earlier; it must still be in the chain",
        )

    def handle(self, *args, head=None, **options):
        verdict = verify()
        if verdict.problem:
            raise CommandError(f"The audit log does not hold. {verdict.problem}", returncode=2)
        if head and not self._holds(head):
            raise CommandError(
                "The audit log does not hold. The given head isn't in it.", returncode=2
            )
        self.stdout.write(f"{verdict.events} events, chain whole. Head {verdict.head}")

    def _holds(self, head: str) -> bool:
        sequence, _, mac = head.partition(":")
        return sequence.isdecimal() and Event.objects.filter(sequence=sequence, mac=mac).exists()
