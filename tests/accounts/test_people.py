"""How accounts end."""

import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import people
from connhub.accounts.models import Role, User
from tests.connections.steps import actions
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_deactivated_person_is_out_and_it_is_on_record(root, eve):
    people.deactivate(eve, by=root)

    assert not User.objects.get(pk=eve.pk).is_active
    assert actions(eve) == ["person.deactivated"]


def test_deleted_person_is_gone_and_it_is_on_record(root, eve):
    people.delete(eve, by=root)

    assert not User.objects.filter(pk=eve.pk).exists()
    assert actions(eve) == ["person.deleted"]


@pytest.mark.parametrize("end", [people.deactivate, people.delete])
def test_only_super_admins_end_accounts_and_never_the_last_ones(root, ada, eve, end):
    with pytest.raises(PermissionDenied):
        end(eve, by=ada)
    with pytest.raises(people.LastSuperAdmin):
        end(root, by=root)
    other = UserFactory(role=Role.SUPER_ADMIN)
    end(other, by=root)

    assert set(User.objects.filter(is_active=True)) == {root, ada, eve}


def test_what_cannot_end_keeps_the_account(root, eve):
    def refuse(**signal):
        raise people.LastSuperAdmin

    people.leaving.connect(refuse)
    try:
        with pytest.raises(people.LastSuperAdmin):
            people.deactivate(eve, by=root)
    finally:
        people.leaving.disconnect(refuse)

    assert User.objects.get(pk=eve.pk).is_active
