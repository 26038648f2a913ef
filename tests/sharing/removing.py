"""One process that shrinks who administers what: `python -m tests.sharing.removing WHAT WHO BY`.

WHAT is `account`, `deleted`, `role` (of super admin), `member` (of the only team) or a kind of object
(an admin of the only one of that kind); WHO and BY are e-mail addresses. It says "ready", waits for a
line and then says what came of it.
"""

import sys

import django

django.setup()

from django.core.exceptions import PermissionDenied  # noqa: E402 - wants the apps

from connhub.accounts import people, teams  # noqa: E402
from connhub.accounts.models import Role, Team, User  # noqa: E402
from connhub.errors import Refusal  # noqa: E402
from connhub.sharing import admins  # noqa: E402
from connhub.sharing.kinds import kinds  # noqa: E402


def main(what: str, who: str, by: str) -> None:
    person, actor = User.objects.get(email=who), User.objects.get(email=by)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        if what == "account":
            people.deactivate(person, by=actor)
        elif what == "deleted":
            people.delete(person, by=actor)
        elif what == "role":
            people.change_role(person, to=Role.ADMIN, by=actor)
        elif what == "member":
            teams.remove_member(Team.objects.get(), person, by=actor)
        else:
            admins.remove(kinds[what].live().get(), person, by=actor)
        print("done", flush=True)
    except Refusal as refusal:
        print(refusal.code, flush=True)
    except PermissionDenied:
        print("denied", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
