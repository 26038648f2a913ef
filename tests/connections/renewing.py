"""One process that asks for a fresh credential: `python -m tests.connections.renewing ID [DEATH]`.

It says "ready", waits for a line and then says what it got: the access token or the refusal's code.
DEATH is `before` or `after`: the process dies at once, as if killed, just before it asks the
provider or just after it was answered.
"""

import os
import sys

import django

django.setup()

from connhub.connections.auth.oauth2 import Client  # noqa: E402 - wants the apps
from connhub.connections.models import Credential  # noqa: E402
from connhub.connections.refresh import ensure_fresh  # noqa: E402
from connhub.errors import Refusal  # noqa: E402

KILLED = 9


def plant(death: str) -> None:
    refresh = Client.refresh

    def dying(self, *args, **kwargs):
        if death == "after":
            refresh(self, *args, **kwargs)
        os._exit(KILLED)

    Client.refresh = dying


def main(pk: str, death: str = "") -> None:
    if death:
        plant(death)
    credential = Credential.objects.select_related("connection").get(pk=pk)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(ensure_fresh(credential).payload.open().reveal()["access_token"], flush=True)
    except Refusal as refusal:
        print(refusal.code, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
