"""How each person likes the listing: the columns they see, and the views that they saved."""

from collections.abc import Iterable, Mapping

from django.db import models, transaction
from django.http import QueryDict
from django.urls import reverse

from connhub.accounts.models import User
from connhub.errors import Refusal
from connhub.public_ids import PublicId

MOST_VIEWS = 20
COLUMNS = {
    "service": "Service",
    "status": "Status",
    "environments": "Environments",
    "admins": "Shared with",
    "data_objects": "Data objects",
    "used_by": "Used by",
    "calls": "Calls, 30 days",
    "tags": "Tags",
    "created": "Created",
    "modified": "Modified",
}
AT_FIRST = ("service", "status", "environments", "admins", "data_objects", "used_by", "calls")


class TooManyViews(Refusal):
    code = "too-many-views"
    text = f"You have {MOST_VIEWS} saved views. Delete one first."


class SavedView(models.Model):
    """A filter and sort of the listing that a person gave a name."""

    public_id = PublicId()
    user = models.ForeignKey(User, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=1000)

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_view_once")]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return f"{reverse('connections:list')}?{self.query}"


class ListingColumns(models.Model):
    """Which columns a person chose; without a row: those that everybody has at first."""

    user = models.OneToOneField(User, models.CASCADE, related_name="listing_columns")
    names = models.JSONField(default=list)

    class Meta:
        default_permissions = ()


def columns_of(user: User) -> list[str]:
    """The columns that the person sees beside the name."""
    chosen = ListingColumns.objects.filter(user=user).values_list("names", flat=True).first()
    return [name for name in COLUMNS if name in (AT_FIRST if chosen is None else chosen)]


def choose_columns(user: User, names: Iterable[str]) -> None:
    """Keep which columns the person wants to see; what is no column is passed over."""
    wanted = set(names)
    chosen = [name for name in COLUMNS if name in wanted]
    ListingColumns.objects.update_or_create(user=user, defaults={"names": chosen})


def query_of(wanted: Mapping) -> str:
    """A listing's cleaned filters as they stand in its URL; "" if nothing is filtered or sorted."""
    query = QueryDict(mutable=True)
    query.update({name: str(value) for name, value in wanted.items() if value not in (None, "")})
    return query.urlencode()


@transaction.atomic
def save_view(user: User, name: str, query: str) -> SavedView:
    """Keep it under that name, instead of an older one of the same name. Raises: TooManyViews."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    view, _ = SavedView.objects.update_or_create(user=user, name=name, defaults={"query": query})
    if user.saved_views.count() > MOST_VIEWS:
        raise TooManyViews
    return view
