import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import people
from connhub.audit.models import Event
from connhub.sharing import roles
from connhub.usage import projects
from connhub.usage.models import Integration, Project
from tests.factories import ProjectFactory


def actions():
    return list(Event.objects.order_by("sequence").values_list("action", flat=True))


def test_create_makes_the_creator_admin_and_is_on_record(ada):
    made = projects.create("Lead sync", slug="lead-sync", project="Sales", by=ada)

    assert made.project.name == "Sales"
    assert list(roles.admins(made)) == [ada]
    assert actions()[-2:] == ["project.created", "integration.created"]


def test_create_in_a_project_of_ones_own_makes_no_other(ada, integration):
    made = projects.create("Lead sync", slug="lead-sync", project=integration.project, by=ada)

    assert made.project == integration.project
    assert Project.objects.count() == 1


def test_create_refuses_a_project_of_somebody_else_as_its_connections_come_with_it(
    bob, integration
):
    with pytest.raises(PermissionDenied):
        projects.create("Lead sync", slug="lead-sync", project=integration.project, by=bob)


def test_create_refuses_an_empty_project_that_nobody_opened(root):
    with pytest.raises(PermissionDenied):
        projects.create("Lead sync", slug="lead-sync", project=ProjectFactory(), by=root)


def test_create_refuses_a_member(eve):
    with pytest.raises(PermissionDenied):
        projects.create("Lead sync", slug="lead-sync", project="Sales", by=eve)


def test_create_refuses_a_taken_slug_and_leaves_nothing_half_made(ada, integration):
    with pytest.raises(projects.SlugTaken):
        projects.create("Again", slug=integration.slug, project="Sales", by=ada)

    assert Integration.objects.count() == 1
    assert Project.objects.count() == 1


def test_new_projects_of_one_name_get_slugs_of_their_own(ada):
    for slug in ("one", "two"):
        projects.create(slug, slug=slug, project="Sales", by=ada)

    assert Project.objects.filter(name="Sales").count() == 2


def test_member_sees_the_integration_and_is_on_record(ada, eve, integration):
    added = projects.add_member(integration, eve, by=ada)
    again = projects.add_member(integration, eve, by=ada)

    assert (added, again) == (True, False)
    assert list(Integration.objects.visible_to(eve)) == [integration]
    assert actions() == ["member.added"]


def test_who_is_made_a_member_is_told_unless_they_would_rather_not(
    mailbox, ada, bob, eve, integration
):
    people.prefer_letters(bob, unwanted=["shared"], by=bob)

    for person in (eve, eve, bob, ada):
        projects.add_member(integration, person, by=ada)

    (letter,) = mailbox.collect()
    assert (letter["to"], letter["subject"]) == (
        eve.email,
        "Ada made you a member of Order to cash",
    )
    assert integration.get_absolute_url() in letter.get_content()


def test_removed_member_sees_nothing_and_is_on_record(ada, eve, integration):
    projects.add_member(integration, eve, by=ada)

    projects.remove_member(integration, eve, by=ada)

    assert list(Integration.objects.visible_to(eve)) == []
    assert actions() == ["member.added", "member.removed"]


def test_remove_refuses_who_is_no_member(ada, eve, integration):
    with pytest.raises(projects.NotAMember):
        projects.remove_member(integration, eve, by=ada)


@pytest.mark.parametrize("who", ["bob", "eve", "root"])
@pytest.mark.parametrize("change", [projects.add_member, projects.remove_member])
def test_members_are_changed_by_admins_alone(request, eve, integration, change, who):
    with pytest.raises(PermissionDenied):
        change(integration, eve, by=request.getfixturevalue(who))


def test_deactivated_admin_changes_nothing(ada, eve, integration):
    ada.is_active = False
    ada.save()

    with pytest.raises(PermissionDenied):
        projects.add_member(integration, eve, by=ada)
