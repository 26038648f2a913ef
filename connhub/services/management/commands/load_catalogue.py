from django.core.management.base import BaseCommand, CommandError

from connhub.services import loader


class Command(BaseCommand):
    help = "Loads the catalogue of default services. It may run as often as you like."

    def handle(self, *args, **options):
        try:
            entries = loader.read()
        except loader.CatalogueError as error:
            raise CommandError(str(error), returncode=2) from error
        changes = loader.load(entries)
        self.stdout.write(summary(len(entries), changes))


def summary(services: int, changes: loader.Changes) -> str:
    """One sentence on what a load did; what is new is counted, what may surprise is named."""
    parts = [
        f"{services} services",
        f"{len(changes.added)} added",
        f"{len(changes.changed)} changed{named(changes.changed)}",
        f"{len(changes.unlisted)} unlisted{named(changes.unlisted)}",
    ]
    if changes.moved:
        parts.append(
            f"{len(changes.moved)} with other addresses{named(changes.moved)}, where connections "
            "that hold secrets stay as they are"
        )
    if changes.left_out:
        parts.append(f"{len(changes.left_out)} left out for a custom one{named(changes.left_out)}")
    return f"Catalogue: {', '.join(parts)}."


def named(slugs: list[str]) -> str:
    return f" ({', '.join(slugs)})" if slugs else ""
