"""The account's environments: the stages that flows run in, lowest first."""

from collections import Counter

from django.db import IntegrityError, router, transaction
from django.db.models import Max, ProtectedError
from django.utils.text import slugify

from connhub.audit.log import record
from connhub.errors import Refusal

from .models import Environment, User
from .people import require_now

DEFAULT = (
    ("development", "Development", "dev"),
    ("staging", "Staging", "stg"),
    ("production", "Production", "prod"),
)
MOST = 20


class EnvironmentNameTaken(Refusal):
    code = "environment-name-taken"
    text = "Another environment has this name. Choose another."


class TooManyEnvironments(Refusal):
    code = "too-many-environments"
    text = f"An account has at most {MOST} environments."


class LastEnvironment(Refusal):
    code = "last-environment"
    text = "This is the only environment, and flows need one to run in."


class EnvironmentInUse(Refusal):
    code = "environment-in-use"
    text = "This environment is in use."


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


@transaction.atomic
def add(*, name: str, short: str, by: User) -> Environment:
    """A new environment above all others; its slug, made from the name, never changes.

    Raises:
        PermissionDenied: `by` is no super admin.
        EnvironmentNameTaken, TooManyEnvironments.
    """
    by = require_now(by, "environment.change")
    taken = {environment.slug for environment in _locked()}
    if len(taken) >= MOST:
        raise TooManyEnvironments
    above = Environment.objects.aggregate(top=Max("position"))["top"] + 1
    environment = Environment(slug=_slug(name, taken), name=name, short=short, position=above)
    _save(environment, force_insert=True)
    record("environment.added", by=by, on=environment)
    return environment


@transaction.atomic
def rename(environment: Environment, *, to: str, short: str, by: User) -> None:
    """Change the name and its short form. Raises: PermissionDenied, EnvironmentNameTaken."""
    by = require_now(by, "environment.change")
    was = {"was": environment.name}
    environment.name, environment.short = to, short
    _save(environment, update_fields=["name", "short"])
    record("environment.renamed", by=by, on=environment, fields=["name", "short"], detail=was)


@transaction.atomic
def move(environment: Environment, *, up: bool, by: User) -> None:
    """Change places with the next one towards the lowest (`up` in the list) or the highest.

    At the end of the list nothing happens. Raises: PermissionDenied.
    """
    by = require_now(by, "environment.change")
    ordered = _locked()
    here = ordered.index(environment)
    there = here - 1 if up else here + 1
    if not 0 <= there < len(ordered):
        return
    one, other = ordered[here], ordered[there]
    # Positions are unique, so one has to step aside first.
    free = ordered[-1].position + 1
    for moved, position in ((one, free), (other, one.position), (one, other.position)):
        Environment.objects.filter(pk=moved.pk).update(position=position)
    lowest_first = [stage.slug for stage in Environment.objects.all()]
    record("environment.moved", by=by, on=environment, detail={"order": lowest_first})


@transaction.atomic
def remove(environment: Environment, *, by: User) -> None:
    """Take an environment away that nothing uses.

    Raises:
        PermissionDenied: `by` is no super admin.
        LastEnvironment: it is the only one.
        EnvironmentInUse: credentials, settings, keys, OAuth apps or endpoints belong to it.
    """
    by = require_now(by, "environment.change")
    if _locked() == [environment]:
        raise LastEnvironment
    record("environment.removed", by=by, on=environment, detail={"slug": environment.slug})
    try:
        environment.delete()
    except ProtectedError as error:
        raise EnvironmentInUse(
            f"{environment} can't be removed: it still has {_in_words(error.protected_objects)}."
        ) from None


def _locked() -> list[Environment]:
    """All of them, lowest first, locked until the transaction ends."""
    return list(Environment.objects.select_for_update(no_key=True).order_by("position"))


def _save(environment: Environment, **how) -> None:
    try:
        with transaction.atomic():
            environment.save(**how)
    except IntegrityError:
        raise EnvironmentNameTaken from None


def _slug(name: str, taken: set[str]) -> str:
    base = slugify(name)[:26] or "environment"
    numbered = (f"{base}-{number}" for number in range(2, MOST + 2))
    return base if base not in taken else next(slug for slug in numbered if slug not in taken)


def _in_words(things) -> str:
    counts = Counter(type(thing) for thing in things)
    return ", ".join(
        f"{count} {kind._meta.verbose_name if count == 1 else kind._meta.verbose_name_plural}"
        for kind, count in sorted(counts.items(), key=lambda item: item[0].__name__)
    )
