import secrets
import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from connhub import supervise
from connhub.accounts.models import User
from connhub.connections import authorize
from connhub.demo import sample
from connhub.demo.cast import PEOPLE

from .serve import Command as Serve


class Command(Serve):
    help = "Runs a fresh instance filled with sample data, and an OAuth 2.0 provider beside it."

    def handle(self, *args, **options):
        self.prepare()
        port = settings.PORT + 1
        if not supervise.is_free("127.0.0.1", port):
            raise CommandError(f"PORT: {port}, for the provider, is in use already.", returncode=2)
        password, client_secret = self.fill(f"http://127.0.0.1:{port}")
        self.password = password
        allow = ",".join([*settings.CONNHUB_EGRESS_ALLOW, f"127.0.0.1:{port}"])
        provider = supervise.Process("provider", self.provider_command(port, client_secret))
        self.run(provider, environment={"CONNHUB_EGRESS_ALLOW": allow})

    def fill(self, base: str) -> tuple[str, Path]:
        """The password of everybody here, and the file with the provider's client secret."""
        password_file, secret_file = (
            settings.HOME / "demo_password",
            settings.HOME / "demo_client_secret",
        )
        if not password_file.exists() and User.objects.exists():
            raise CommandError(
                "This instance has data of its own; the demo leaves it alone.", returncode=2
            )
        secret = _kept(secret_file)
        password = _kept(password_file)
        sample.list_provider(base, secret)
        if not User.objects.exists():
            self.stdout.write("Filling it with sample data…")
            sample.fill(password)
        return password, secret_file

    def provider_command(self, port: int, client_secret: Path) -> list[str]:
        return [
            sys.executable, "-m", "connhub.demo.provider", "--port", str(port),
            "--state", str(settings.HOME / "demo_provider.json"),
            "--redirect-uri", authorize.redirect_uri("acme-cloud"),
            "--client-id", sample.CLIENT_ID, "--client-secret-file", str(client_secret),
        ]  # fmt: skip

    def announce(self) -> None:
        super().announce()
        name, email, _ = PEOPLE[0]
        self.stdout.write(f"Sign in as {name}, {email}, with the password {self.password}")
        self.stdout.write("Connect to Acme Cloud, the provider that runs beside it.\n")
        self.stdout.flush()


def _kept(path: Path) -> str:
    """The secret in a file that only its owner reads, made at the first start."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12))
    return path.read_text()
