import time

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from connhub.accounts import key_page, resealing, vault_keys
from connhub.errors import Refusal
from connhub.vault import startup
from connhub.vault.keyring import BadKeys
from connhub.vault.models import KeyRotation
from connhub.vault.startup import WrongKeys

WIDTH = 30
AGAIN = "Run rotate_keys again to go on."


class Command(BaseCommand):
    help = (
        "Seals every stored secret anew with the primary key, while ConnHub runs."
        " Can be stopped at any time; run again, it goes on."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument(
            "--new", action="store_true", help="make a new primary key in the key file first"
        )

    def handle(self, *args, new=False, **options):
        try:
            startup.check_keys()
            if new:
                self.stdout.write(f"Key {vault_keys.make_primary()} is the primary key now.")
            run = vault_keys.start()
        except vault_keys.NothingToRotate as nothing:
            self.stdout.write(nothing.text)
            return
        except (BadKeys, WrongKeys) as error:
            raise CommandError(f"CONNHUB_KEYS: {error}", returncode=2) from None
        except Refusal as refusal:
            raise CommandError(refusal.text, returncode=2) from None
        self.rotate(run)

    def rotate(self, run: KeyRotation) -> None:
        self.began, self.before, self.told_at = time.monotonic(), run.resealed, 0.0
        try:
            resealing.work(run, tell=lambda: self.tell(run))
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {AGAIN}") from None
        except DatabaseError as error:
            raise CommandError(f"The database failed ({type(error).__name__}). {AGAIN}") from None
        run.refresh_from_db()
        self.tell(run, is_over=True)
        self.stdout.write(f"{resealing.outcome_of(run)}.")
        if run.unreadable:
            unreadable = key_page.in_words(key_page.unreadable_of(run))
            self.stderr.write("Can't be opened:\n" + "\n".join(f"  {line}" for line in unreadable))
            raise SystemExit(1)

    def tell(self, run: KeyRotation, *, is_over: bool = False) -> None:
        """A bar that moves on a terminal; elsewhere a line every five seconds."""
        on_terminal, now = self.stdout.isatty(), time.monotonic()
        if not is_over and now - self.told_at < (0.2 if on_terminal else 5):
            return
        self.told_at = now
        run.refresh_from_db(fields=["resealed"])
        self.stdout.write(self.bar(run, now), ending="\r" if on_terminal and not is_over else "\n")
        self.stdout.flush()

    def bar(self, run: KeyRotation, now: float) -> str:
        total = max(run.total, run.resealed)
        filled = WIDTH * run.resealed // total
        rate = (run.resealed - self.before) / max(now - self.began, 0.001)
        left = f"{(total - run.resealed) / rate:,.0f} s left" if rate else "waiting"
        counted = f"{run.resealed:,} of {total:,}"
        return f"[{'#' * filled}{'-' * (WIDTH - filled)}] {counted}, {rate:,.0f}/s, {left}   "
