from django.core.management.base import BaseCommand, CommandError

from connhub.accounts import vault_keys
from connhub.errors import Refusal


class Command(BaseCommand):
    help = "Takes a key that no stored secret is sealed with any more from the key file, for good."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("key", metavar="KEYID", help="its id, 8 hex digits")

    def handle(self, *args, key, **options):
        key = key.lower()
        try:
            vault_keys.retire(key)
        except vault_keys.NothingNamesIt as nowhere:
            self.stderr.write(
                f"Nothing is sealed with key {key} any more. In CONNHUB_KEYS, put this in the place"
                " of its entry and restart every process:"
                if nowhere.entry
                else f"Nothing names key {key} any more. Remove its entry from CONNHUB_KEYS and"
                " restart every process."
            )
            if nowhere.entry:
                self.stdout.write(nowhere.entry)
        except Refusal as refusal:
            raise CommandError(refusal.text, returncode=2) from None
        else:
            self.stdout.write(
                f"Key {key} is retired. Backups made before still need it:"
                " keep a copy with them, as long as you keep them."
            )
