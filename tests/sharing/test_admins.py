"""The share pages, the same for connections, custom services and integrations."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from connhub.accounts.models import Team
from connhub.audit.models import Event
from connhub.connections.models import ConnectionUserGrant
from connhub.services.models import Origin
from connhub.sharing import admins, roles
from connhub.sharing.kinds import kind_of
from connhub.usage import projects
from tests.connections.steps import actions
from tests.factories import PASSWORD, UserFactory, connect

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
BILLING = "/connections/billing/share/"


@pytest.fixture(params=["connection", "service", "shared_integration"])
def thing(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def share(thing):
    """The address of its share page."""
    return kind_of(thing).url("admins", thing)


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def browser(person) -> Client:
    made = Client()
    made.force_login(person)
    return made


def key(admin) -> str:
    return f"{'team' if isinstance(admin, Team) else 'person'}-{admin.pk}"


def text_of(response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def names(response) -> list[str]:
    """The admins listed."""
    return [str(row.admin) for row in response.context["page"].rows]


# --- Who may look and do ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "seen", "changed"),
    [("ada", 200, 200), ("bob", 200, 200), ("root", 200, 403)],
)
def test_the_pages_are_for_admins_and_a_super_admin_only_looks(
    request, share, bob, who, seen, changed
):
    visitor = browser(request.getfixturevalue(who))

    pages = ["add/", f"people/{bob.public_id}/remove/"]
    assert visitor.get(share).status_code == seen
    assert [visitor.get(share + page).status_code for page in pages] == [changed] * 2


def test_outsiders_find_nothing_of_a_connection(connection, eve, bob):
    visitor = browser(eve)
    pages = ["", "add/", f"people/{bob.public_id}/remove/", "to-myself/"]

    assert [visitor.get(BILLING + page).status_code for page in pages] == [404] * 4
    answers = [visitor.post(BILLING + page, {"q": "b", "search": "1"}) for page in pages[1:]]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert not any("Bob" in answer.content.decode() for answer in answers)
    assert visitor.post(f"{BILLING}to-myself/undo/").status_code == 404


def test_a_service_that_everybody_sees_shows_its_admins_to_them_alone(service, eve, bob):
    visitor = browser(eve)
    share = f"{service.get_absolute_url()}share/"

    answers = [visitor.get(share), visitor.post(f"{share}add/", {"q": "b", "search": "1"})]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert visitor.post(f"{share}to-myself/undo/").status_code == 403
    assert not any("Bob" in answer.content.decode() for answer in answers)


def test_an_integration_shows_its_admins_to_its_members_who_change_nothing(
    shared_integration, ada, bob, eve
):
    share = kind_of(shared_integration).url("admins", shared_integration)
    before = browser(eve).get(share)
    projects.add_member(shared_integration, eve, by=ada)

    seen = browser(eve).get(share)
    pages = ["add/", f"people/{bob.public_id}/remove/", "to-myself/"]
    refused = [browser(eve).post(share + page).status_code for page in pages]

    assert (before.status_code, seen.status_code) == (404, 200)
    assert names(seen) == ["Ada", "Bob"]
    assert "+ Add admin" not in text_of(seen) and "More options" not in text_of(seen)
    assert refused == [403] * 3


def test_a_service_of_the_catalogue_is_shared_with_nobody(service, root):
    service.origin = Origin.DEFAULT
    service.save()

    assert browser(root).get(f"{service.get_absolute_url()}share/").status_code == 404


def test_the_summary_and_the_service_lead_to_the_share_page(signed_in, thing, share, root):
    assert f'href="{share}"' in signed_in.get(thing.get_absolute_url()).content.decode()
    assert f'href="{share}"' in browser(root).get(thing.get_absolute_url()).content.decode()


# --- The list -----------------------------------------------------------------------------------


def test_the_list_says_who_since_when_and_by_whom(signed_in, connection, team, ada):
    roles.grant(connection, team, by=ada)
    long_ago = timezone.now() - timedelta(days=3)
    ConnectionUserGrant.objects.filter(user__name="Bob").update(granted_at=long_ago)

    response = signed_in.get(BILLING)

    said = text_of(response)
    assert names(response) == ["Data", "Ada", "Bob"]
    assert "Data Team · 1 person just now Ada" in said
    assert "Ada You · ada@acme.example just now –" in said
    assert "Bob bob@acme.example 3 days ago Ada" in said


def test_many_admins_take_no_more_queries_than_few_and_come_in_pages(
    signed_in, connection, ada, django_assert_max_num_queries
):
    people = [UserFactory(name=f"Person {n:03}") for n in range(60)]
    for n, person in enumerate(people):
        roles.grant(connection, person, by=people[n - 1])
        made = Team.objects.create(name=f"Team {n:03}")
        made.user_set.add(person)
        if n < 20:
            roles.grant(connection, made, by=person)

    with django_assert_max_num_queries(11):
        first = signed_in.get(BILLING, headers=HTMX)
    older = signed_in.get(BILLING, {"before": first.context["page"].older})

    assert len(names(first)) == 20 + 50
    assert names(older) == [f"Person {n:03}" for n in range(48, 60)]


def test_a_deactivated_admin_is_marked(signed_in, connection, bob):
    bob.is_active = False
    bob.save()

    assert "Bob bob@acme.example Deactivated" in text_of(signed_in.get(BILLING))


# --- Adding -------------------------------------------------------------------------------------


def test_people_and_teams_are_added_at_once_and_it_is_on_record(
    signed_in, thing, share, team, ada, eve
):
    sam = UserFactory(name="Sam")
    chosen = {"who": [key(sam), key(team)]}

    answer = signed_in.post(f"{share}add/", chosen)

    assert (answer.status_code, answer.url) == (303, share)
    assert roles.is_admin(sam, thing) and roles.is_admin(eve, thing)
    last = list(Event.objects.about(thing)[:2])
    assert {event.sentence for event in last} == {
        f"Ada shared {thing} with {whom}" for whom in ("Sam", "Data")
    }
    assert {event.actor for event in last} == {"Ada"}


def test_from_the_pop_up_the_page_hears_of_it(signed_in, thing, share):
    answer = signed_in.post(f"{share}add/", {"who": key(UserFactory())}, headers=HTMX)

    assert answer.status_code == 204
    assert f"{thing._meta.model_name}-changed" in answer.headers["HX-Trigger"]


def test_the_search_finds_by_name_and_address_and_keeps_the_ticked(signed_in, share, team):
    ben, _, deb = (
        UserFactory(name=name, email=f"{name[:3].lower()}@x.example")
        for name in ("Ben Carter", "Cal Benson", "Deb Stone")
    )
    asked = {"q": "BEN c", "who": [key(deb)], "search": "1"}

    response = signed_in.post(f"{share}add/", asked, headers=HTMX)

    found = [str(candidate.admin) for candidate in response.context["form"].found]
    assert found == ["Deb Stone", "Ben Carter", "Cal Benson"]
    html = response.content.decode()
    assert re.findall(r'value="([^"]+)" checked', html) == [key(deb)]
    by_address = signed_in.post(f"{share}add/", {"q": "ben@x.ex", "search": "1"})
    assert [str(each.admin) for each in by_address.context["form"].found] == [str(ben)]
    assert not roles.is_admin(ben, response.context["thing"])


def test_only_active_people_and_teams_that_are_no_admins_are_offered(
    signed_in, thing, share, team, ada, eve
):
    UserFactory(name="Gone", is_active=False)
    roles.grant(thing, team, by=ada)
    Team.objects.create(name="Ops")

    response = signed_in.get(f"{share}add/")

    assert [str(each.admin) for each in response.context["form"].found] == ["Eve", "Ops"]


@pytest.mark.parametrize(
    ("who", "error"),
    [
        ([], "Tick at least one name."),
        (["person-999999"], "One of these can't be added any more."),
        (["person-99999999999999999999"], "One of these can't be added any more."),
        (["team-x\0"], "One of these can't be added any more."),
        ([f"person-{n}" for n in range(101)], "That is too many at once: take 100 at most."),
    ],
)
def test_bad_choices_are_refused_beside_the_list(signed_in, share, thing, who, error):
    before = set(roles.admins(thing))

    response = signed_in.post(f"{share}add/", {"who": who, "q": "\0"})

    assert error in text_of(response)
    assert set(roles.admins(thing)) == before


def test_somebody_deactivated_meanwhile_is_not_added(connection, ada, eve):
    eve.__class__.objects.filter(pk=eve.pk).update(is_active=False)

    with pytest.raises(admins.CantBeAdded):
        admins.add(connection, [eve], by=ada)
    assert "connection.shared" not in actions(connection)


def test_the_search_costs_no_more_with_many_people(
    signed_in, connection, django_assert_max_num_queries
):
    UserFactory.create_batch(60)

    with django_assert_max_num_queries(13):
        response = signed_in.post(f"{BILLING}add/", {"q": "person", "search": "1"}, headers=HTMX)

    assert len(response.context["form"].found) == 20
    assert "There are more." in text_of(response)


# --- Removing -----------------------------------------------------------------------------------


def test_removal_says_what_is_lost_and_the_next_request_is_refused(
    signed_in, connection, bob, integration
):
    theirs = browser(bob)
    pages = ["", "share/", "guide/", "activity/", "usage/", "edit/", "test/"]
    before = [theirs.get(f"/connections/billing/{page}").status_code for page in pages]

    asked = signed_in.get(f"{BILLING}people/{bob.public_id}/remove/", headers=HTMX)
    answer = signed_in.post(f"{BILLING}people/{bob.public_id}/remove/", headers=HTMX)

    assert "Bob will no longer see Billing" in text_of(asked)
    assert (before, answer.status_code) == ([200] * len(pages), 204)
    for headers in ({}, HTMX):
        after = [theirs.get(f"/connections/billing/{page}", headers=headers) for page in pages]
        assert [response.status_code for response in after] == [404] * len(pages)
    assert "Billing" not in theirs.get("/connections/", headers=HTMX).content.decode()
    assert theirs.post("/connections/billing/rename/", {"name": "x"}).status_code == 404
    removed = Event.objects.about(connection).get(action="connection.unshared")
    assert removed.sentence == "Ada took Billing from Bob"


def test_anybody_may_leave_and_is_taken_to_the_list(connection, bob):
    theirs = browser(bob)

    asked = text_of(theirs.get(f"{BILLING}people/{bob.public_id}/remove/"))
    answer = theirs.post(f"{BILLING}people/{bob.public_id}/remove/")

    assert "You will no longer see Billing" in asked
    assert (answer.status_code, answer.url) == (303, "/connections/")


def test_a_team_is_removed_with_all_that_have_no_other_way(signed_in, connection, team, ada, eve):
    team.user_set.add(ada)
    roles.grant(connection, team, by=ada)
    url = f"{BILLING}teams/{team.public_id}/remove/"

    asked = text_of(signed_in.get(url))
    signed_in.post(url)

    assert "Eve will no longer see Billing" in asked
    assert not roles.is_admin(eve, connection)
    assert roles.is_admin(ada, connection)


def test_somebody_in_a_team_keeps_what_the_team_has(signed_in, connection, team, ada, bob):
    team.user_set.add(bob)
    roles.grant(connection, team, by=ada)
    url = f"{BILLING}people/{bob.public_id}/remove/"

    asked = text_of(signed_in.get(url))
    signed_in.post(url)

    assert "Bob goes on administering Billing as one of Data" in asked
    assert roles.is_admin(bob, connection)
    assert signed_in.get(url).status_code == 404


def test_the_only_admin_of_anything_stays(signed_in, thing, share, ada, bob):
    admins.remove(thing, bob, by=ada)

    answer = signed_in.post(f"{share}people/{ada.public_id}/remove/", headers=HTMX)

    assert answer.status_code == 409
    assert "Add another admin first" in answer.content.decode()
    assert list(roles.admins(thing)) == [ada]


def test_whoever_leaves_an_integration_stays_its_member(shared_integration, ada, bob):
    share = kind_of(shared_integration).url("admins", shared_integration)
    projects.add_member(shared_integration, bob, by=ada)
    theirs = browser(bob)

    asked = text_of(theirs.get(f"{share}people/{bob.public_id}/remove/"))
    answer = theirs.post(f"{share}people/{bob.public_id}/remove/")

    assert "You may no longer manage Order to cash" in asked
    assert "Its flows and keys go on working." in asked
    assert (answer.status_code, answer.url) == (303, share)
    assert theirs.get(f"{share}add/").status_code == 403


@pytest.mark.parametrize("other", ["nobody", "deactivated", "empty team", "team of deactivated"])
def test_the_last_active_admin_stays(signed_in, connection, ada, bob, other):
    grants = ConnectionUserGrant.objects.filter(user=bob)
    if other == "deactivated":
        bob.is_active = False
        bob.save()
    else:
        grants.delete()
    if "team" in other:
        made = Team.objects.create(name="Old")
        roles.grant(connection, made, by=ada)
        if other == "team of deactivated":
            made.user_set.add(UserFactory(is_active=False))
    url = f"{BILLING}people/{ada.public_id}/remove/"

    answer = signed_in.post(url, headers=HTMX)

    assert answer.status_code == 409
    assert "Add another admin first" in answer.content.decode()
    assert roles.is_admin(ada, connection)
    assert "connection.unshared" not in actions(connection)


def test_grants_never_revive_for_somebody_new_of_the_same_address(connection, bob):
    email = bob.email
    bob.delete()
    again = UserFactory(name="Bob", email=email)

    assert browser(again).get(BILLING).status_code == 404


def test_grants_go_with_the_object_and_a_new_one_of_its_name_starts_alone(service, ada, bob):
    slug = service.slug
    made = connect(ada, link_name="other")
    made.delete()
    service.connections.all().delete()
    service.delete()
    again = type(service).objects.create(slug=slug, name="Again", origin=Origin.CUSTOM)

    assert not roles.admins(again).exists()


# --- A super admin ------------------------------------------------------------------------------


def test_a_super_admin_shares_to_themself_seen_by_the_admins_and_undoes_it(
    signed_in, thing, share, root
):
    theirs = browser(root)
    assert "Share to myself" in text_of(theirs.get(share))
    assert "Ada , Bob will see it." in text_of(theirs.get(f"{share}to-myself/"))
    assert not roles.is_admin(root, thing)

    theirs.post(f"{share}to-myself/")

    assert roles.is_admin(root, thing)
    assert "Root root@acme.example Shared to themself" in text_of(signed_in.get(share))
    assert "Undo share to myself" in text_of(theirs.get(share))
    assert Event.objects.about(thing)[0].sentence == (
        f"Root shared {thing} to themself, as a super admin"
    )

    theirs.post(f"{share}to-myself/undo/")

    assert not roles.is_admin(root, thing)
    assert Event.objects.about(thing)[0].sentence == (
        f"Root undid the share of {thing} to themself"
    )
    assert theirs.post(f"{share}to-myself/undo/").status_code == 409


def test_the_summary_offers_it_and_its_undoing(connection, root):
    theirs = browser(root)
    assert "Share to myself" in text_of(theirs.get("/connections/billing/"))
    assert theirs.get("/connections/billing/edit/").status_code == 403

    theirs.post(f"{BILLING}to-myself/")

    said = text_of(theirs.get("/connections/billing/"))
    assert "Undo share to myself" in said
    assert "Root shared to themself" in said
    assert theirs.get("/connections/billing/edit/").status_code == 200


def test_an_integrations_page_offers_it_and_its_undoing(integration, root):
    theirs = browser(root)
    home = integration.get_absolute_url()
    assert "Share to myself" in text_of(theirs.get(home))
    assert theirs.get(f"{home}register/").status_code == 403

    theirs.post(kind_of(integration).url("to_self", integration))

    assert "Undo share to myself" in text_of(theirs.get(home))
    assert theirs.get(f"{home}register/").status_code == 200


def test_who_shares_to_themself_on_the_share_page_may_add_admins_there(thing, share, root):
    theirs = browser(root)

    before = theirs.get(share, headers=HTMX).content.decode()
    admins.share_to_self(thing, by=root)
    after = theirs.get(share, headers=HTMX).content.decode()

    assert "Share to myself" in before and "+ Add admin" not in before
    assert "+ Add admin" in after and 'id="sharing" hx-swap-oob' in after


def test_who_signed_in_a_while_ago_enters_the_password_again(thing, share, root):
    theirs = browser(root)
    session = theirs.session
    session["authenticated_at"] -= 601
    session.save()

    asked = theirs.post(f"{share}to-myself/")
    held = {"proof-held": asked.context["held"]}
    wrong = theirs.post(f"{share}to-myself/", held | {"proof-password": "not the one"})
    before = roles.is_admin(root, thing)
    theirs.post(f"{share}to-myself/", held | {"proof-password": PASSWORD})

    assert "Your password" in text_of(asked)
    assert "That is not your password." in text_of(wrong)
    assert "not the one" not in wrong.content.decode()
    assert (before, roles.is_admin(root, thing)) == (False, True)


def test_nobody_else_shares_to_themself(connection, ada, eve, root):
    refused = [browser(person).post(f"{BILLING}to-myself/").status_code for person in (ada, eve)]
    assert refused == [403, 404]
    assert not roles.is_admin(eve, connection)
    admins.share_to_self(connection, by=root)
    with pytest.raises(admins.AlreadyAdmin):
        admins.share_to_self(connection, by=root)


def test_what_a_super_admin_was_granted_by_somebody_else_is_not_undone_as_their_own(
    connection, ada, root
):
    admins.share_to_self(connection, by=root)
    admins.add(connection, [root], by=ada)

    with pytest.raises(admins.NotSharedToSelf):
        admins.undo_share_to_self(connection, by=root)
    assert roles.is_admin(root, connection)


def test_a_connection_that_nobody_administers_can_be_taken_and_stays_taken(connection, root):
    ConnectionUserGrant.objects.all().delete()

    admins.share_to_self(connection, by=root)

    with pytest.raises(admins.LastAdmin):
        admins.undo_share_to_self(connection, by=root)
    assert roles.is_admin(root, connection)


# --- Letters ------------------------------------------------------------------------------------


def test_people_added_are_told_by_letter_those_of_a_team_too(
    mailbox, connection, team, ada, bob, eve, settings
):
    sam = UserFactory(name="Sam", email="sam@acme.example")
    team.user_set.add(bob, UserFactory(is_active=False))

    admins.add(connection, [sam, team], by=ada)

    letters = sorted(mailbox.collect(), key=lambda letter: letter["to"])
    assert [letter["to"] for letter in letters] == ["eve@acme.example", "sam@acme.example"]
    assert {letter["subject"] for letter in letters} == {"Ada shared Billing with you"}
    text = letters[1].get_content()
    assert "Dear Sam," in text
    assert f"{settings.CONNHUB_URL}/connections/billing/\n" in text.replace("\r", "")


def test_the_admins_are_told_that_a_super_admin_joined_them(mailbox, thing, share, root):
    admins.share_to_self(thing, by=root)

    letters = mailbox.collect()
    assert {letter["to"] for letter in letters} == {"ada@acme.example", "bob@acme.example"}
    assert letters[0]["subject"] == f"Root shared {thing} to themself"
    assert share in letters[0].get_content()


def test_a_refused_share_tells_nobody(mailbox, connection, eve):
    with pytest.raises(PermissionDenied):
        admins.add(connection, [UserFactory()], by=eve)

    assert mailbox.collect() == []
