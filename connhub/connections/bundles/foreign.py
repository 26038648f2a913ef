"""Reads what others export: Airflow's connections as JSON, and URLs from a .env file.

Airflow writes an object of connection ids, each with a URI or with the fields conn_type, login,
password, host, port, schema and extra (apache/airflow, models/connection.py).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from connhub.connections.databases import DRIVERS
from connhub.connections.databases.base import AT_ONCE, OFF
from connhub.connections.models import AccessMode
from connhub.services import portable, strict
from connhub.services.gallery import AUTH_LABELS
from connhub.services.models import Service
from connhub.services.strict import Misshapen, line, maybe, record, text

from .document import BUNDLE, MAX_BYTES, MAX_ITEMS, BadFile, Bundle, Grant, Item, Place, of_plain

# Their words for a kind of service, and our slug; any other word is taken for the slug itself.
SERVICES = {
    "postgres": "postgresql",
    "rediss": "redis",
    "redshift": "amazon-redshift",
    "smtps": "smtp",
    "ldaps": "ldap",
    "ftps": "ftp",
    "mongo": "mongodb",
}
WEB = {"http", "https"}
WITHOUT_TLS = {"redis", "ldap"}  # as a scheme they say so
TLS_AT_ONCE = {"smtps", "ldaps"}
EXTRA = "__extra__"
LONG = 20_000
ENV_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*+(.*)")
AIRFLOW = record(
    {"conn_type": line(500, blank=False)},
    {
        **dict.fromkeys(("host", "schema", "login"), maybe(line(500))),
        "conn_id": maybe(line(250)),
        "description": maybe(text(5000)),
        "password": maybe(text(LONG)),
        "port": lambda value, where: value,
        "extra": lambda value, where: value,
    },
)


@dataclass(repr=False)
class Found:
    """One connection of theirs, in their words."""

    name: str
    kind: str
    host: str = ""
    port: str = ""
    login: str = ""
    password: str = ""
    path: str = ""  # schema or database
    description: str = ""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(repr=False)
class Foreign:
    """What was read, as a bundle, and what of it was left out, one sentence each."""

    bundle: Bundle
    left_out: Sequence[str]


def airflow(data: bytes) -> Foreign:
    """The connections that `airflow connections export FILE.json` wrote. Raises: BadFile."""
    _require_size(data)
    try:
        connections = strict.pairs(line(250, blank=False), _any, MAX_ITEMS)(
            strict.parse(data), "The file"
        )
        found = [_airflow(name, value, f"Connection {n}")
                 for n, (name, value) in enumerate(connections.items(), 1)]  # fmt: skip
    except Misshapen as error:
        raise BadFile(f"This is not Airflow's export. {error}") from None
    return _foreign(found, [])


def _any(value: Any, where: str) -> Any:
    return value


def _airflow(name: str, value: Any, where: str) -> Found:
    if isinstance(value, str):
        parts = _split(value)
        if parts is None:
            raise Misshapen(f"{where} has a URI that can't be read.")
        found = _of_url(name, parts)
        found.kind = found.kind.replace("-", "_")
        if found.kind in WEB and found.path in WEB:  # http://host/https means https://host
            found.kind, found.path = found.path, ""
        return found
    fields = AIRFLOW(value, where)
    port = fields.get("port")
    return Found(
        name=name,
        kind=fields["conn_type"].lower(),
        host=fields.get("host") or "",
        port="" if port is None else str(port)[:5],
        login=fields.get("login") or "",
        password=fields.get("password") or "",
        path=fields.get("schema") or "",
        description=fields.get("description") or "",
        extra=_extra(fields.get("extra")),
    )


def _extra(extra: Any) -> dict[str, str]:
    """Single values by name; Airflow keeps them as JSON within a text."""
    if isinstance(extra, str) and extra:
        extra = strict.parse(extra.encode(errors="surrogatepass"))
    if not isinstance(extra, dict):
        return {}
    return {name: str(value) for name, value in extra.items() if value not in (None, "")}


def env(data: bytes) -> Foreign:
    """URLs with a sign-in from lines such as NAME=scheme://user:password@host/path.

    Lines that hold something else are passed over and counted. Raises: BadFile.
    """
    _require_size(data)
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadFile("The file is not text in UTF-8.") from None
    found, others = [], 0
    for each in lines:
        if not each.strip() or each.lstrip().startswith("#"):
            continue
        match = ENV_LINE.fullmatch(each.strip())
        parts = _split(_unquoted(match[2])) if match else None
        if match and parts and parts.hostname and (parts.username or parts.password):
            found.append(_of_url(match[1].removeprefix("AIRFLOW_CONN_"), parts))
        else:
            others += 1
    if len(found) > MAX_ITEMS:
        raise BadFile(f"The file has more than {MAX_ITEMS:,} connections.")
    noun = "line holds" if others == 1 else "lines hold"
    return _foreign(found, [f"{others} {noun} no URL with a sign-in."] if others else [])


def _require_size(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise BadFile("The file is larger than 10 MiB.")


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.partition(" #")[0].rstrip()


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only here
    except ValueError:
        return None
    return parts if parts.scheme else None


def _of_url(name: str, parts: SplitResult) -> Found:
    extra = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Found(
        name=name,
        kind=parts.scheme.partition("+")[0],  # postgresql+psycopg
        host=unquote(parts.hostname or ""),
        port=str(parts.port or ""),
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        path=unquote(parts.path.removeprefix("/")),
        extra=_extra(extra[EXTRA]) if EXTRA in extra else extra,
    )


# --- In our words ---------------------------------------------------------------------------------


def _foreign(found: Sequence[Found], left_out: list[str]) -> Foreign:
    slugs = {_slug(each) for each in found}
    here = Service.objects.filter(slug__in=slugs).prefetch_related("auth_methods")
    services = {service.slug: service for service in here}
    made: dict[str, dict[str, Any]] = {}
    names, items = _link_names(found), []
    for each, link_name in zip(found, names, strict=True):
        if each.kind in WEB:
            service = _web_service(each, link_name)
            if not _is_sound(service):
                left_out.append(f"{link_name}: its address is none that ConnHub can call.")
                continue
            made[service["slug"]] = service
            items.append(_web_item(each, link_name, service))
        else:
            items.append(_item(each, link_name, services.get(_slug(each))))
        if ignored := sorted(each.extra.keys() - {"sslmode", "db"}):
            # Only names: a value may be a secret.
            shown = ", ".join(name[:40] for name in ignored[:5] if name.isprintable())
            left_out.append(f"{link_name}: {shown} can't be carried over.")
    try:
        return Foreign(of_plain(BUNDLE(Bundle(made, items).plain(), "The file")), left_out)
    except Misshapen as error:
        raise BadFile(f"This file can't be imported. {error}") from None


def _is_sound(service: Mapping[str, Any]) -> bool:
    try:
        portable.SERVICE(service, "")
    except Misshapen:
        return False
    return True


def _slug(found: Found) -> str:
    return SERVICES.get(found.kind, found.kind.replace("_", "-"))[:60]


def _link_names(found: Sequence[Found]) -> Iterator[str]:
    used: set[str] = set()
    for each in found:
        base = re.sub(r"[^a-z0-9]+", "_", each.name.lower()).strip("_")
        base = base if base[:1].isalpha() else f"c_{base}".rstrip("_")
        name, number = base[:50], 2
        while name in used:
            name, number = f"{base[:44]}_{number}", number + 1
        used.add(name)
        yield name


def _item(found: Found, link_name: str, service: Service | None) -> Item:
    if service is not None and service.driver in DRIVERS:
        return _of_driver(found, link_name, service)
    kind = "basic" if found.login else "bearer"
    methods = service.auth_methods.all() if service else []
    label = next((m.label for m in methods if m.kind == kind), AUTH_LABELS[kind])
    return _made(found, link_name, _slug(found), kind, label, {}, _typed(found, kind))


def _typed(found: Found, kind: str) -> dict[str, str]:
    if kind == "basic":
        return {"username": found.login, "password": found.password}
    return {"token": found.password}


def _of_driver(found: Found, link_name: str, service: Service) -> Item:
    given = {
        "host": found.host,
        "port": found.port,
        "database": found.path or found.extra.get("db", ""),
        "user": found.login,
        "password": found.password,
        "tls": _tls(found),
        "tls_start": AT_ONCE if found.kind in TLS_AT_ONCE else "",
    }
    fields = DRIVERS[service.driver].fields
    values = {spec.name: given.get(spec.name) or spec.default for spec in fields}
    secret = {spec.name for spec in fields if spec.secret}
    method = next(m for m in service.auth_methods.all() if m.kind == "database")
    return _made(
        found, link_name, service.slug, "database", method.label,
        {name: value for name, value in values.items() if value and name not in secret},
        {name: value for name, value in values.items() if value and name in secret},
    )  # fmt: skip


def _tls(found: Found) -> str:
    """Without, only where theirs says so; the default checks the certificate."""
    off = found.extra.get("sslmode") == "disable" or found.kind in WITHOUT_TLS
    return OFF if off else ""


def _made(
    found: Found, link_name: str, service: str, kind: str, label: str,
    parameters: Mapping[str, str], secrets: Mapping[str, str],
) -> Item:  # fmt: skip
    has_secrets = any(secrets.values())
    return Item(
        link_name=link_name,
        name=_one_line(found.name, 80) or link_name,
        service=service,
        kind=kind,
        label=label,
        description=_one_line(found.description, 300),
        access_mode=AccessMode.CREDENTIALS if kind == "database" else AccessMode.PROXY,
        settings=[Place(None, parameters)],
        credentials=[Grant(None, secrets)] if has_secrets else [],
    )


def _one_line(text: str, longest: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]


def _web_service(found: Found, link_name: str) -> dict[str, Any]:
    """A custom service for one web API; two connections never share one."""
    base = found.host if "://" in found.host else f"{_scheme(found)}://{found.host}"
    base += f":{found.port}" if found.port else ""
    is_path = found.path and found.path not in WEB
    base += f"/{found.path}" if is_path else ""
    kind = "basic" if found.login else "bearer" if found.password else "none"
    name = _one_line(found.name, 80) or link_name
    return {
        "slug": re.sub(r"_+", "-", link_name).strip("-"),
        "name": name,
        "category": "Custom",
        **dict.fromkeys(("version", "summary", "docs_url"), ""),
        "base_url": base.rstrip("/"),
        "test": {},
        "endpoints": {},
        "methods": [{"kind": kind, "label": AUTH_LABELS[kind], "config": {}, "scopes": []}],
    }


def _scheme(found: Found) -> str:
    return found.path if found.path in WEB else found.kind


def _web_item(found: Found, link_name: str, service: Mapping[str, Any]) -> Item:
    method = service["methods"][0]
    secrets = {} if method["kind"] == "none" else _typed(found, method["kind"])
    return _made(found, link_name, service["slug"], method["kind"], method["label"], {}, secrets)
