import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from connhub.audit.context import current

# What must never stand in a log line, whoever wrote it: credentials in headers, URLs, bodies.
NAMES = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|code|state|code_verifier"
    "|api_?key|passwd|password|passphrase|private_key|secret|token|oauth_token|oauth_token_secret|oauth_verifier"
)
REDACTED = "‹redacted›"
SECRETS = re.compile(
    r"""
    (?:authorization|cookie|x-api-key)['"]?\s*[:=]\s*  # a header, as text or in a dict
        (?:'[^'\r\n]*'|"[^"\r\n]*"|[^\r\n]+)
    | \b(?:bearer|basic)\s+[a-z0-9+/_.~=-]{8,}
    | (?<=://)[^\s/:@]*:[^\s/@]+(?=@)  # user and password of a URL
    | \b(?:NAMES)=[^\s&"']+  # a query, a form, a DSN
    | (?:NAMES)['"]\s*:\s*(?:'[^'\r\n]*'|"[^"\r\n]*")  # JSON, a dict
    | (?:(?<=/invitation/)|(?<=/new-password/))[a-z0-9_-]{16,}
    | ch[kl]_[a-z0-9_-]{8,}
    """.replace("NAMES", NAMES),
    re.IGNORECASE | re.VERBOSE,
)
# A shorter value is an ordinary word somewhere: cut out of every line it would tell what it is.
SHORTEST = 6
_known: re.Pattern[str] | None = None
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def hide(values: Iterable[str | None]) -> None:
    """Have these, and these alone, cut out of every line, in all forms that libraries write."""
    global _known
    forms = {form for value in values if value for form in _forms(value) if len(form) >= SHORTEST}
    longest_first = sorted(forms, key=len, reverse=True)
    _known = re.compile("|".join(map(re.escape, longest_first))) if forms else None


def _forms(value: str) -> set[str]:
    plain = {value, unquote(value)}
    quoted = {quote(text, safe=safe) for text in plain for safe in ("", "/")}
    return plain | quoted | {escape(v)[1:-1] for v in plain for escape in (repr, json.dumps)}


def redact(text: str) -> str:
    """The text without the secrets that are known, and without all that looks like a credential."""
    if _known:
        text = _known.sub(REDACTED, text)
    return SECRETS.sub(REDACTED, text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; control characters escaped, credentials redacted."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "request_id": current.get().request_id or None,
        }
        extra = {key: value for key, value in vars(record).items() if key not in STANDARD}
        extra.pop("request", None)
        if extra:
            entry["extra"] = redact(str(extra))
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=True)


def configuration(level: str) -> dict:
    """Django's LOGGING: everything as JSON on stderr, from `level` on. Raises: ValueError."""
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "connhub.logs.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "connhub": {"level": "INFO"},
            "axes": {"level": "ERROR"},
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.error": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "level": "WARNING"},
            "huey": {"handlers": [], "propagate": True},
            "urllib3": {"level": "ERROR"},  # what it says at lower levels quotes URLs
        },
    }
