"""ConnHub itself, served by uvicorn in processes of its own on the tests' database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tests.servers.process import free_port, listens, python, running, temporary_folder

UVICORN = (
    *("--loop", "uvloop", "--http", "connhub.protocol:LimitedProtocol", "--ws", "none"),
    *("--no-access-log", "--no-proxy-headers", "--no-server-header"),
)


@dataclass(frozen=True)
class AppServer:
    """A running ConnHub; `log` is what it wrote to standard error and output."""

    port: int
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def proxy(self, link_name: str, path: str = "") -> str:
        return f"{self.url}/api/v1/connections/{link_name}/proxy{path}"

    def credentials(self, link_name: str) -> str:
        return f"{self.url}/api/v1/connections/{link_name}/credentials"


@contextmanager
def running_app(*, processes: int = 1, port: int = 0, **env: str) -> Iterator[AppServer]:
    """Run `connhub.asgi:application` while the block lasts; `env` are settings of its own."""
    port, folder = port or free_port(), temporary_folder("app")
    address = {"CONNHUB_URL": f"http://127.0.0.1:{port}", "PORT": str(port)}
    with running(
        python(
            "uvicorn", "connhub.asgi:application", "--port", port, "--workers", processes, *UVICORN
        ),
        folder=folder,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
        | address
        | env,
        ready=lambda: listens(port),
    ):
        yield AppServer(port, folder / "log")


def database_url() -> str:
    """The database that the tests are using, for a process of its own."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password, name = (quote(str(settings[part])) for part in ("USER", "PASSWORD", "NAME"))
    return f"postgres://{user}:{password}@{settings['HOST']}:{settings['PORT'] or 5432}/{name}"
