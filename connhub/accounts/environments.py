from django.db import router

from .models import Environment

DEFAULT = (
    ("development", "Development", "dev"),
    ("staging", "Staging", "stg"),
    ("production", "Production", "prod"),
)


def create_default(sender, using, **kwargs) -> None:
    """Give a new account its three environments; one that has any is left alone."""
    if (
        router.allow_migrate_model(using, Environment)
        and not Environment.objects.using(using).exists()
    ):
        Environment.objects.using(using).bulk_create(
            Environment(slug=slug, name=name, short=short, position=position)
            for position, (slug, name, short) in enumerate(DEFAULT)
        )


def lowest() -> Environment:
    """The environment that developers work in."""
    return Environment.objects.order_by("position")[0]
