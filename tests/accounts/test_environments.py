import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import environments
from connhub.accounts.models import Environment, Role
from connhub.audit.models import Event
from connhub.connections.models import Credential
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def slugs() -> list[str]:
    return [environment.slug for environment in Environment.objects.all()]


def named(slug: str) -> Environment:
    return Environment.objects.get(slug=slug)


@pytest.fixture
def signed_in(client, root):
    client.force_login(root)
    return client


def test_added_environment_is_the_highest_and_on_record(signed_in):
    answer = signed_in.post("/environments/add/", {"name": "Disaster recovery", "short": "dr"})

    assert answer.status_code == 303
    assert slugs() == ["development", "staging", "production", "disaster-recovery"]
    assert Event.objects.filter(action="environment.added", object="Disaster recovery").exists()


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"name": "", "short": "x"}, "name", "required"),
        ({"name": "Staging", "short": "x"}, "name", "Another environment has this name"),
        ({"name": "a" * 41, "short": "x"}, "name", "at most 40"),
        ({"name": "Two\x1flines", "short": "x"}, "name", "single line"),
        ({"name": "QA", "short": "quality"}, "short", "at most 6"),
        ({"name": "QA", "short": ""}, "short", "required"),
    ],
)
def test_bad_input_is_named_beside_its_field(signed_in, typed, field, said):
    answer = signed_in.post("/environments/add/", typed)

    assert answer.status_code == 200
    assert said in str(answer.context["form"].errors[field])
    assert len(slugs()) == 3


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Dev 2", "dev-2"), ("developMENT", "development-2"), ("测试", "environment")],
)
def test_slug_comes_from_the_name_and_is_never_taken_twice(root, name, slug):
    assert environments.add(name=name, short="x", by=root).slug == slug


def test_slug_stays_when_the_name_changes(signed_in):
    signed_in.post("/environments/staging/rename/", {"name": "Pre-production", "short": "pre"})

    assert (named("staging").name, named("staging").short) == ("Pre-production", "pre")
    assert Event.objects.get(action="environment.renamed").detail == {"was": "Staging"}


def test_keeping_the_name_while_changing_the_short_form_is_no_conflict(signed_in):
    answer = signed_in.post("/environments/staging/rename/", {"name": "Staging", "short": "test"})

    assert answer.status_code == 303
    assert named("staging").short == "test"


def test_name_taken_meanwhile_is_refused(root):
    with pytest.raises(environments.EnvironmentNameTaken):
        environments.add(name="Staging", short="s", by=root)


@pytest.mark.parametrize(
    ("slug", "way", "order"),
    [
        ("staging", "up", ["staging", "development", "production"]),
        ("staging", "down", ["development", "production", "staging"]),
        ("development", "up", ["development", "staging", "production"]),
        ("production", "down", ["development", "staging", "production"]),
    ],
)
def test_moving_changes_places_with_the_neighbour(signed_in, slug, way, order):
    signed_in.post(f"/environments/{slug}/move/", {way: "1"})

    assert slugs() == order
    assert environments.lowest().slug == order[0]


def test_removed_when_nothing_uses_it(signed_in):
    signed_in.post("/environments/staging/remove/")

    assert slugs() == ["development", "production"]
    assert Event.objects.get(action="environment.removed").object == "Staging"


def test_removing_is_refused_while_a_credential_belongs_to_it(signed_in, connection):
    connection.credentials.update(environment=named("staging"))

    answer = signed_in.post("/environments/staging/remove/")

    assert answer.status_code == 409
    assert b"it still has 1 credential." in answer.content
    assert "staging" in slugs() and Credential.objects.exists()
    assert not Event.objects.filter(action="environment.removed").exists()


def test_the_last_one_stays(root):
    for slug in ("staging", "production"):
        environments.remove(named(slug), by=root)

    with pytest.raises(environments.LastEnvironment):
        environments.remove(named("development"), by=root)


def test_there_are_at_most_twenty(root):
    for number in range(environments.MOST - 3):
        environments.add(name=f"Stage {number}", short="x", by=root)

    with pytest.raises(environments.TooManyEnvironments):
        environments.add(name="One too many", short="x", by=root)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_others_see_the_list_and_change_nothing(client, role):
    person = UserFactory(role=role)
    client.force_login(person)

    page = client.get("/environments/").content.decode()
    assert "Staging" in page and "Rename" not in page and "Add environment" not in page
    for url in ("add/", "staging/rename/", "staging/move/", "staging/remove/"):
        typed = {"name": "Mine", "short": "m", "up": "1"}
        assert client.post(f"/environments/{url}", typed).status_code == 403
    with pytest.raises(PermissionDenied):
        environments.add(name="Mine", short="m", by=person)
    assert slugs() == ["development", "staging", "production"]
