"""A backup taken while several processes write is of one moment, and lacks nothing acknowledged."""

import threading

from .looking import state

WRITER = """
import django; django.setup()
import itertools, sys
from connhub.accounts.models import User
from connhub.services.models import AuthMethod
from tests.factories import connect
ada, method = User.objects.get(email="ada@acme.example"), AuthMethod.objects.filter(kind="api_key").first()
for number in itertools.count():
    name = f"w{sys.argv[1]}_{number}"
    connect(ada, method=method, name=name, link_name=name, secret=f"secret of {name}")
    print(name, flush=True)
"""


class Writer:
    """A process that makes connections, and the names of those that it was told are made."""

    def __init__(self, installation, number):
        self.acknowledged = []
        self.process = installation.start("-c", WRITER, str(number))
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while line := self.process.stdout.readline():
            self.acknowledged.append(line.strip())

    def end(self):
        self.process.kill()
        self.reader.join()
        return self.process.communicate()[1]


def test_whatever_was_acknowledged_before_it_began_is_in_it(make, changing, tmp_path):
    writers = [Writer(changing, number) for number in range(3)]
    path = tmp_path / "at-work.tar.gz"
    try:
        while any(not writer.acknowledged for writer in writers):
            assert all(writer.process.poll() is None for writer in writers)
        before = [name for writer in writers for name in writer.acknowledged]
        code, _, err = changing.manage("backup", path)
        meanwhile = sum(len(writer.acknowledged) for writer in writers) - len(before)
    finally:
        errors = [writer.end() for writer in writers]
    elsewhere = make(changing.keys)
    restored, out, _ = elsewhere.manage("restore", path)

    assert ((code, err), restored, errors) == ((0, ""), 0, ["", "", ""])
    assert "The audit chain is whole." in out and ", and all open." in out
    found = state(elsewhere)
    lacking = [n for n in before if found["secrets"].get(n) != {"key_1": f"secret of {n}"}]
    assert (lacking, meanwhile > 0) == ([], True)
    # One moment: each connection with its credential, and on record.
    assert found["connections"].keys() == found["secrets"].keys() | {"gone"}
    assert created(elsewhere) == found["connections"].keys()


def created(installation) -> set[str]:
    """The connections of which the record says that they were made."""
    names = installation.python(
        "from connhub.audit.models import Event\nfrom connhub.connections.models import Connection\n"
        "made = Event.objects.filter(action='connection.created').values_list('object_id', flat=True)\n"
        "print(*Connection.objects.filter(pk__in=map(int, made)).values_list('link_name', flat=True))"
    )
    return set(names.split())
