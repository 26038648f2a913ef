"""What Acme Cloud remembers: grants, tokens and added contacts, in memory and in one JSON file.

Tokens and codes are kept as SHA-256 alone. Codes live a minute and do not survive a restart.
"""

import hashlib
import json
import os
import secrets
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

CODE_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True)
class Grant:
    """What one person allowed one client."""

    id: str
    client_id: str
    person: str
    scopes: list[str]


@dataclass
class Token:
    """An access token (which expires) or a refresh token (which is spent by its first use)."""

    grant_id: str
    expires_at: datetime | None = None
    spent: bool = False

    @property
    def is_refresh_token(self) -> bool:
        return self.expires_at is None

    def opens_the_api(self, now: datetime) -> bool:
        """Whether it is an access token that has not expired."""
        return self.expires_at is not None and self.expires_at > now


@dataclass
class Code:
    """An authorization code and what it is bound to; `grant_id` once it has been redeemed."""

    client_id: str
    redirect_uri: str
    person: str
    scopes: list[str]
    challenge: str
    challenge_method: str
    expires_at: datetime = field(default_factory=lambda: datetime.now(UTC) + CODE_LIFETIME)
    grant_id: str | None = None


class Ledger:
    """Grants, tokens, codes and added contacts. Every change but that of a code is on disk at once.

    Callers that read and then change hold `lock`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.codes: dict[str, Code] = {}
        self.grants: dict[str, Grant] = {}
        self.tokens: dict[str, Token] = {}
        self.added_contacts: list[dict] = []
        if path.exists():
            self._load()

    def add_code(self, secret: str, code: Code) -> None:
        """Keep a new code; those past their time go."""
        now = datetime.now(UTC)
        with self.lock:
            self.codes = {key: old for key, old in self.codes.items() if old.expires_at > now}
            self.codes[_digest(secret)] = code

    def code(self, secret: str) -> Code | None:
        """The code, spent or not; None when there is none or its minute is over."""
        code = self.codes.get(_digest(secret))
        return code if code and code.expires_at > datetime.now(UTC) else None

    def add_grant(self, client_id: str, person: str, scopes: list[str]) -> Grant:
        """A new grant, saved with its first tokens."""
        grant = Grant(secrets.token_urlsafe(9), client_id, person, scopes)
        self.grants[grant.id] = grant
        return grant

    def add_tokens(
        self, grant: Grant, *, access: str, refresh: str, expires_in: timedelta, spends: str | None
    ) -> None:
        """Keep a pair of tokens; the refresh token `spends`, which they replace, is spent."""
        now = datetime.now(UTC)
        with self.lock:
            if spends:
                self.tokens[_digest(spends)].spent = True
            self.tokens = {
                key: token
                for key, token in self.tokens.items()
                if token.is_refresh_token or token.opens_the_api(now)
            }
            self.tokens[_digest(access)] = Token(grant.id, now + expires_in)
            self.tokens[_digest(refresh)] = Token(grant.id)
            self._save()

    def token(self, secret: str) -> Token | None:
        """The token, whatever its state."""
        return self.tokens.get(_digest(secret))

    def grant_of(self, token: Token) -> Grant:
        return self.grants[token.grant_id]

    def drop_token(self, secret: str) -> None:
        """Forget one token."""
        with self.lock:
            self.tokens.pop(_digest(secret), None)
            self._save()

    def drop_grant(self, grant_id: str) -> None:
        """Forget a grant with all its tokens."""
        with self.lock:
            self.grants.pop(grant_id, None)
            self.tokens = {k: t for k, t in self.tokens.items() if t.grant_id != grant_id}
            self._save()

    def add_contact(self, contact: dict, *, first_id: int) -> dict:
        """Keep a contact that came over the API, numbered on from `first_id`."""
        with self.lock:
            numbered = {"id": first_id + len(self.added_contacts), **contact}
            self.added_contacts.append(numbered)
            self._save()
        return numbered

    def _load(self) -> None:
        saved = json.loads(self.path.read_text())
        self.grants = {grant["id"]: Grant(**grant) for grant in saved["grants"]}
        self.tokens = {key: _token(**token) for key, token in saved["tokens"].items()}
        self.added_contacts = saved["contacts"]

    def _save(self) -> None:
        """Replace the file in one step; it is never half-written, and its owner's alone."""
        content = {
            "grants": [asdict(grant) for grant in self.grants.values()],
            "tokens": {key: asdict(token) for key, token in self.tokens.items()},
            "contacts": self.added_contacts,
        }
        draft = self.path.with_name(f"{self.path.name}.new")
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(draft, flags, 0o600), "w") as file:
            json.dump(content, file, default=datetime.isoformat)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


def _token(grant_id: str, expires_at: str | None, spent: bool) -> Token:
    return Token(grant_id, datetime.fromisoformat(expires_at) if expires_at else None, spent)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
