import os
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from connhub import supervise
from connhub.accounts import setup
from connhub.audit import forwarding
from connhub.vault.keyring import BadKeys
from connhub.vault.startup import WrongKeys, check_keys, forbid_core_dumps


class Command(BaseCommand):
    help = "Brings the database up to date and runs ConnHub: web and worker in one process group."
    requires_system_checks = []

    def handle(self, *args, **options):
        forbid_core_dumps()  # the processes started from here inherit it
        self.prepare()
        self.run()

    def prepare(self) -> None:
        """Migrations, keys, catalogue and static files, each only as far as it is needed."""
        if not supervise.is_free(settings.BIND, settings.PORT):
            raise CommandError(
                f"PORT: {settings.PORT} is in use already. Try another: make run PORT=8001.",
                returncode=2,
            )
        settings.HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
        call_command("migrate", interactive=False, verbosity=0)
        try:
            check_keys()
        except (BadKeys, WrongKeys) as error:
            raise CommandError(f"CONNHUB_KEYS: {error}", returncode=2) from None
        call_command("load_catalogue", stdout=self.stdout)
        if not static_is_current():
            call_command("collectstatic", interactive=False, verbosity=0)

    def run(self, *more: supervise.Process, environment: dict[str, str] | None = None) -> None:
        os.environ.update(environment or {})
        processes = [
            supervise.web(settings.BIND, settings.PORT, settings.WEB_PROCESSES),
            supervise.worker(),
            *([supervise.audit_forwarder()] if forwarding.is_wanted() else []),
            *more,
        ]
        code = supervise.run(
            processes, when_up=self.announce, host=settings.BIND, port=settings.PORT
        )
        raise SystemExit(code)

    def announce(self) -> None:
        self.stdout.write(f"\nConnHub is at {settings.CONNHUB_URL}")
        if code := setup.issue_code():
            self.stdout.write(
                f"First run: open {settings.CONNHUB_URL}/setup/ and enter the code {code}"
            )
        self.stdout.write("Ctrl-C ends it.\n")
        self.stdout.flush()


def static_is_current() -> bool:
    """Whether the collected files are newer than everything they are made from."""
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not manifest.exists():
        return False
    sources = [
        settings.BASE_DIR / "requirements.txt",
        *Path(settings.STATICFILES_DIRS[0]).rglob("*"),
    ]
    return all(source.stat().st_mtime < manifest.stat().st_mtime for source in sources)
