"""Integrations after they are made: edited, moved, packaged, deleted."""

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.sharing import roles
from connhub.usage import declaring, functions, grouping, keys, lifecycle, projects, registration
from connhub.usage.models import (
    Availability,
    Function,
    Integration,
    IntegrationKey,
    Kind,
    Project,
    Registration,
)
from tests.factories import IntegrationFactory, ProjectFactory, connect, function_over

pytestmark = pytest.mark.django_db
EDIT, DELETE = (f"/integrations/order-to-cash/{what}/" for what in ("edit", "delete"))
HTMX = {"HX-Request": "true"}


@pytest.fixture
def elsewhere(ada):
    """Another project that ada may bring integrations into."""
    made = IntegrationFactory(name="Lead sync", slug="lead-sync")
    roles.grant(made, ada, by=ada)
    return made.project


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def edit(integration, by, **changes):
    now = {"name": integration.name, "project": integration.project, "kind": integration.kind}
    lifecycle.edit(integration, **now | changes, by=by)
    integration.refresh_from_db()


def actions(number):
    found = Event.objects.order_by("-sequence").values_list("action", "object", "fields")
    return list(reversed(found[:number]))


def test_edit_changes_what_may_change_and_is_on_record(ada, integration, elsewhere):
    left = integration.project

    edit(integration, ada, name="Cash", project=elsewhere, kind=Kind.APP)

    left.refresh_from_db()
    assert (integration.name, integration.project, integration.kind) == ("Cash", elsewhere, "app")
    assert actions(1) == [("integration.edited", "Cash", ["kind", "name", "project"])]
    assert left.owner == ada


def test_edit_without_a_change_is_not_on_record(ada, integration):
    edit(integration, ada)

    assert not Event.objects.filter(action="integration.edited").exists()


def test_integration_app_stays_one(ada, integration):
    edit(integration, ada, kind=Kind.APP)

    with pytest.raises(lifecycle.StaysAnApp):
        edit(integration, ada, kind=Kind.INTEGRATION)


def test_nobody_brings_an_integration_into_a_project_of_others(ada, integration):
    with pytest.raises(PermissionDenied):
        edit(integration, ada, project=IntegrationFactory().project)


@pytest.mark.parametrize("how", ["registered", "used"])
def test_what_it_may_use_by_its_project_alone_keeps_it_there(
    ada, integration, elsewhere, connection, how
):
    Availability.objects.create(connection=connection, project=integration.project)
    if how == "registered":
        Registration.objects.create(integration=integration, connection=connection)
    else:
        function_over(connection, integration=integration)

    with pytest.raises(lifecycle.WouldStop, match="It uses Billing, which only its project"):
        edit(integration, ada, project=elsewhere)


def test_what_is_available_to_its_project_and_unused_keeps_it_nowhere(
    ada, integration, elsewhere, connection
):
    Availability.objects.create(connection=connection, project=integration.project)

    edit(integration, ada, project=elsewhere)

    assert not registration.usable_in(integration).exists()


@pytest.mark.parametrize("who", ["bob", "eve", "root"])
def test_only_its_admins_edit_and_delete_it(request, integration, who):
    person = request.getfixturevalue(who)

    with pytest.raises(PermissionDenied):
        edit(integration, person, name="Theirs")
    with pytest.raises(PermissionDenied):
        lifecycle.delete(integration, by=person)


def test_edit_page_offers_their_projects_and_says_what_would_stop(
    signed_in, ada, integration, elsewhere, connection
):
    IntegrationFactory(project__name="Of others")
    Availability.objects.create(connection=connection, project=integration.project)
    function_over(connection, integration=integration)

    page = signed_in.get(EDIT)
    typed = {"name": "Cash", "project": elsewhere.slug, "kind": "integration"}
    refused = signed_in.post(EDIT, typed)
    done = signed_in.post(EDIT, typed | {"project": integration.project.slug}, follow=True)

    choices = page.context["form"].fields["project"].queryset
    assert set(choices) == {integration.project, elsewhere}
    assert "It uses Billing" in refused.context["form"].errors["project"][0]
    assert [str(m) for m in done.context["messages"]] == ["Cash is saved."]


def test_edit_page_of_an_app_has_no_kind(signed_in, ada, integration):
    edit(integration, ada, kind=Kind.APP)

    sent = {"name": "Cash", "project": integration.project.slug, "kind": "integration"}
    done = signed_in.post(EDIT, sent, follow=True)

    integration.refresh_from_db()
    assert "kind" not in signed_in.get(EDIT).context["form"].fields
    assert (done.status_code, integration.name, integration.kind) == (200, "Cash", "app")


@pytest.mark.parametrize(
    "sent", [{"name": ""}, {"project": "nowhere"}, {"kind": "other"}, {"name": "a\0"}]
)
def test_edit_refuses_what_makes_no_sense(signed_in, integration, sent):
    typed = {"name": "Cash", "project": integration.project.slug, "kind": "integration"}

    response = signed_in.post(EDIT, typed | sent)

    integration.refresh_from_db()
    assert list(response.context["form"].errors) == list(sent)
    assert integration.name == "Order to cash"


def test_delete_takes_all_that_hangs_on_it_and_is_on_record(ada, eve, integration, connection):
    registration.register(integration, [connection], by=ada)
    projects.add_member(integration, eve, by=ada)
    keys.issue(integration, environments.lowest(), name="laptop", by=ada)
    project = integration.project

    lifecycle.delete(integration, by=ada)

    project.refresh_from_db()
    assert not Integration.objects.exists()
    assert not Registration.objects.exists() and not IntegrationKey.objects.exists()
    assert [action for action, *_ in actions(2)] == ["key.revoked", "integration.deleted"]
    assert project.owner == ada
    assert list(Project.objects.visible_to(ada)) == [project]


def test_deleted_integration_s_key_fails_the_next_call(client, ada, integration):
    _, token = keys.issue(integration, environments.lowest(), name="laptop", by=ada)
    headers = {"Authorization": f"Bearer {token}"}
    before = client.get("/api/v1/connections", headers=headers).status_code

    lifecycle.delete(integration, by=ada)

    after = client.get("/api/v1/connections", headers=headers).status_code
    assert (before, after) == (200, 401)


def test_slug_of_a_deleted_one_is_free_and_brings_nobody_back(ada, eve, integration):
    projects.add_member(integration, eve, by=ada)
    lifecycle.delete(integration, by=ada)

    projects.create("Anew", slug=integration.slug, project="Sales", by=ada)

    assert not Integration.objects.visible_to(eve).exists()


def test_delete_is_refused_while_something_is_in_it(signed_in, ada, bob, integration, connection):
    declaring.create(functions.SORT, "sync", name="sync", uses=[], integration=integration, by=ada)
    Availability.objects.create(connection=connection, integration=integration)
    theirs = connect(bob, name="Theirs", link_name="theirs")
    Availability.objects.create(connection=theirs, integration=integration)

    page = signed_in.get(DELETE)
    refused = signed_in.post(DELETE)

    text = "It still has 1 function (sync) and 2 connections available to it alone."
    assert refused.status_code == 409
    assert page.context["refusal"].text.startswith(text)
    assert page.context["refusal"].links == [
        ("Functions of Order to cash", "/integrations/order-to-cash/functions/"),
        ("Who Billing is for", "/connections/billing/availability/"),
    ]
    assert ">Delete</button>" not in page.text
    assert Function.objects.exists()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_delete_says_what_ends_and_has_the_slug_typed_if_production_uses_it(
    signed_in, ada, eve, integration, connection, headers
):
    registration.register(integration, [connection], by=ada)
    projects.add_member(integration, eve, by=ada)
    highest = Environment.objects.order_by("position").last()
    key, _ = keys.issue(integration, highest, name="flow", by=ada)
    IntegrationKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())

    asked = signed_in.get(DELETE, headers=headers)
    wrong = signed_in.post(DELETE, {"slug": "something"}, headers=headers)
    done = signed_in.post(DELETE, {"slug": integration.slug}, headers=headers)

    impact = asked.context["impact"]
    assert (impact.keys, impact.registrations, impact.people, impact.calls) == (1, 1, 1, 0)
    assert "Type order-to-cash to go on" in asked.text
    assert wrong.context["form"].errors == {"slug": ["That is not order-to-cash."]}
    assert done.headers["HX-Redirect" if headers else "Location"] == "/integrations/"
    assert not Integration.objects.exists()


def test_what_hangs_on_a_deleted_integration_is_refused_not_broken(ada, eve, integration):
    stale = Integration.objects.get()
    lifecycle.delete(integration, by=ada)

    for act in (
        lambda: lifecycle.delete(stale, by=ada),
        lambda: edit(stale, ada),
        lambda: projects.add_member(stale, eve, by=ada),
        lambda: registration.register(stale, [], by=ada),
        lambda: declaring.create(functions.SORT, "f", name="f", uses=[], integration=stale, by=ada),
    ):
        with pytest.raises((registration.IntegrationGone, PermissionDenied)):
            act()


# --- Kind at creation -----------------------------------------------------------------------------


def test_kind_is_chosen_at_creation(signed_in):
    typed = {"name": "Packaged", "slug": "packaged", "new_project": "Sales", "kind": "app"}

    signed_in.post("/integrations/new/", typed)

    assert Integration.objects.get().kind == Kind.APP


# --- Projects -------------------------------------------------------------------------------------


def test_project_is_made_empty_and_is_its_makers(ada, bob, eve, root):
    made = grouping.create("Sales", by=ada)

    assert actions(1) == [("project.created", "Sales", ["name"])]
    assert [list(Project.objects.visible_to(p)) for p in (ada, bob, root)] == [[made], [], [made]]
    with pytest.raises(PermissionDenied):
        grouping.create("Sales", by=eve)


def test_integration_is_made_in_one_s_own_empty_project(ada, bob):
    made = grouping.create("Sales", by=ada)

    with pytest.raises(PermissionDenied):
        projects.create("Theirs", slug="theirs", project=made, by=bob)
    projects.create("Ours", slug="ours", project=made, by=ada)


def test_its_maker_has_no_say_once_others_integrate_there(ada, bob, integration):
    integration.project.owner = bob
    integration.project.save()

    for act in (
        lambda: grouping.rename(integration.project, to="Bob's", by=bob),
        lambda: projects.create("Bob's", slug="bobs", project=integration.project, by=bob),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert not Project.objects.visible_to(bob).exists()


def test_rename_is_on_record(ada, integration):
    for _ in range(2):
        grouping.rename(integration.project, to="Sales", by=ada)

    assert actions(1) == [("project.renamed", "Sales", ["name"])]
    assert Event.objects.filter(action="project.renamed").count() == 1


@pytest.mark.parametrize("what", ["integration", "availability"])
def test_project_in_use_is_not_deleted(signed_in, ada, connection, what):
    project = grouping.create("Sales", by=ada)
    if what == "integration":
        projects.create("Ours", slug="ours", project=project, by=ada)
    else:
        Availability.objects.create(connection=connection, project=project)
    url = f"/projects/{project.slug}/delete/"

    page, answer = signed_in.get(url), signed_in.post(url)

    assert "Only an empty project can be deleted." in page.text
    assert answer.status_code == 409
    assert Project.objects.filter(pk=project.pk).exists()


def test_empty_project_is_deleted_on_record_also_by_a_super_admin_whose_it_is_not(ada, bob, root):
    for by in (ada, root):
        project = grouping.create("Sales", by=ada)
        with pytest.raises(PermissionDenied):
            grouping.delete(project, by=bob)

        grouping.delete(project, by=by)

        assert actions(1) == [("project.deleted", "Sales", [])]
        with pytest.raises(grouping.ProjectGone):
            grouping.rename(project, to="Again", by=ada)


def test_project_pages_show_what_the_person_sees(
    client, ada, bob, integration, connection, django_assert_max_num_queries
):
    IntegrationFactory(name="Hidden", slug="hidden", project=integration.project)
    Availability.objects.create(connection=connection, project=integration.project)
    ProjectFactory(name="Of nobody")
    member = bob
    projects.add_member(integration, member, by=ada)
    here = integration.project.get_absolute_url()

    client.force_login(member)
    with django_assert_max_num_queries(8):
        (row,) = client.get("/projects/").context["page"].rows
    page, connections = client.get(here), client.get(f"{here}?list=connections")

    assert (row, row.integration_count, row.connection_count) == (integration.project, 1, 1)
    assert page.context["page"].rows == [integration]
    assert connections.context["page"].rows == [connection]
    assert "Rename project" not in page.text and "Rename project" not in connections.text


def test_project_is_made_renamed_and_deleted_on_pages(signed_in):
    signed_in.post("/projects/new/", {"name": "Sales"})
    project = Project.objects.get()
    here = project.get_absolute_url()
    blank = signed_in.post("/projects/new/", {"name": "\0"})
    signed_in.post(f"{here}rename/", {"name": "Selling"})
    named = signed_in.get(here).text
    done = signed_in.post(f"{here}delete/", follow=True)

    assert list(blank.context["form"].errors) == ["name"]
    assert "Selling" in named
    assert done.redirect_chain == [("/projects/", 303)]
    assert not Project.objects.exists()


@pytest.mark.parametrize("slug", ["nowhere", "a" * 60])
def test_project_that_is_not_theirs_is_not_found(signed_in, slug):
    hidden = ProjectFactory()

    assert signed_in.get(hidden.get_absolute_url()).status_code == 404
    assert signed_in.get(f"/projects/{slug}/").status_code == 404
