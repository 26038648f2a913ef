import signal
import threading

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFailed
from django.db import close_old_connections

from connhub.audit import forwarding

EVERY_S = 1.0


class Command(BaseCommand):
    help = "Sends audit events to the file and the syslog that the settings name, as they come."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="send what there is, and end")

    def handle(self, *args, once=False, **options):
        if not forwarding.is_wanted():
            raise CommandError(
                "Set CONNHUB_AUDIT_FILE, CONNHUB_AUDIT_SYSLOG or CONNHUB_AUDIT_HEAD_FILE.",
                returncode=2,
            )
        sinks = forwarding.sinks()
        if once:
            self.stdout.write(f"{forwarding.forward_all(sinks)} events sent.")
            return
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.wait(EVERY_S):
            self._forward(sinks)

    def _forward(self, sinks: list[forwarding.Sink]) -> None:
        """A database that is away for a while does not end the process."""
        close_old_connections()
        try:
            forwarding.forward_all(sinks)
        except DatabaseFailed as error:
            forwarding.log.warning(
                "Audit events can't be read.", extra={"error": type(error).__name__}
            )
