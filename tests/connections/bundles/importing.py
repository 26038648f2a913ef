"""One process that applies an import: `python -m tests.connections.bundles.importing ID RUN [DEATH]`.

It says "ready", waits for a line, applies and says "over". DEATH is `writing` or `recording`: the
process dies at once, as if killed, with connections written, or with the record written as well.
"""

import os
import sys

import django

django.setup()

from connhub.audit.context import NOWHERE  # noqa: E402 - wants the apps
from connhub.connections.bundles import applying, credentials, imports  # noqa: E402

KILLED = 9


def plant(death: str) -> None:
    place = {"writing": (credentials, "insert"), "recording": (applying, "record_each")}[death]
    act = getattr(*place)

    def dying(*args, **kwargs):
        act(*args, **kwargs)
        os._exit(KILLED)

    setattr(*place, dying)


def main(pk: str, run: str, death: str = "") -> None:
    if death:
        plant(death)
    print("ready", flush=True)
    sys.stdin.readline()
    imports.run(pk, int(run), NOWHERE)
    print("over", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
