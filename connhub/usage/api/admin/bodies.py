"""What calls that make or change connections take, and how the pages' forms call it."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

OWN = re.compile(r"own-(.+)-([^-]+)")
PREFIXES = {"p_": "parameters", "s_": "secrets"}
OTHERWISE = {"more_scopes": "scopes", "to": "available_to", "on": ""}

Slug = Annotated[str, StringConstraints(max_length=60, pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00]*$")]
Named = dict[Annotated[str, StringConstraints(max_length=60)], str]


class Body(Schema):
    """What isn't named is refused, so that no misspelling goes unnoticed."""

    model_config = ConfigDict(extra="forbid")

    @property
    def said(self) -> dict[str, Any]:
        """What was sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class SecretsIn(Body):
    """New secrets, by the names that the service lists."""

    secrets: Named = Field({}, description="They come out again nowhere.")
    ends_on: date | None = Field(None, description="When what was typed ends, as its issuer says.")


class OwnIn(SecretsIn):
    """What one environment has of its own."""

    parameters: Named = {}
    base_url: str = ""


class AudienceIn(Body):
    """One project, or one integration; none of both: the whole account."""

    project: Slug | None = None
    integration: Slug | None = None


class ConnectionIn(SecretsIn):
    """What connections are made of, and may be changed to."""

    name: str = ""
    description: str = ""
    tags: list[Annotated[str, StringConstraints(pattern=r"^[^,]*$")]] = []
    access_mode: str = Field("", description="proxy, or credentials: flows may fetch the secret.")
    login_user: bool = Field(False, description="Whether each user signs in for themself.")
    parameters: Named = Field({}, description="What the service asks for and is no secret.")
    scopes: list[Annotated[str, StringConstraints(pattern=r"^\S+$")]] = []
    client_id: str = Field("", description="Of an OAuth app of its own.")
    client_secret: str = ""
    client_secret_ends_on: date | None = None


class NewIn(ConnectionIn):
    """A new connection."""

    service: Slug
    auth_method: str = Field("", description="Its kind or name; by default the service's first.")
    link_name: str = Field(description="Its name in code, which never changes.")
    environment: Slug | None = Field(None, description="Null: the same for all environments.")
    environments: dict[Slug, OwnIn] = Field({}, description="What some have of their own.")
    available_to: AudienceIn | None = None
    anyway: bool = Field(False, description="Make it even if its test fails.")


class ChangeIn(ConnectionIn):
    """What is to be changed; all else stays. A secret that isn't named stays, too."""

    give_up: bool = Field(
        False, description="Yes to destroying the credentials that the change would end."
    )


PLAIN = ("name", "description", "access_mode", "login_user", "environment", "link_name", "give_up")
OF_CREDENTIAL = ("client_id", "client_secret", "client_secret_ends_on", "ends_on", "base_url")


def fields_of(body: Body, known_scopes: Iterable[str] = ()) -> dict[str, Any]:
    """What a body says, as the forms' fields are called."""
    said = body.said
    fields = {name: said[name] for name in (*PLAIN, *OF_CREDENTIAL) if said.get(name) is not None}
    for prefix, name in PREFIXES.items():
        fields |= {prefix + key: value for key, value in said.get(name, {}).items()}
    if "tags" in said:
        fields["tags"] = ", ".join(said["tags"])
    if "scopes" in said:
        fields |= _scopes(said["scopes"], set(known_scopes))
    if said.get("available_to"):
        fields |= audience(said["available_to"])
    for slug, own in said.get("environments", {}).items():
        mine = {"on": True} | fields_of(own)
        fields |= {f"own-{slug}-{name}": value for name, value in mine.items()}
    return fields


def _scopes(wanted: list[str], known: set[str]) -> dict[str, Any]:
    others = " ".join(scope for scope in wanted if scope not in known)
    chosen = {"scopes": [scope for scope in wanted if scope in known]} if known else {}
    return chosen | {"more_scopes": others}


def audience(to: AudienceIn) -> dict[str, Any]:
    """Whom a connection is available to, as the forms' fields are called."""
    if to.project:
        return {"to": "project", "project": to.project}
    if to.integration:
        return {"to": "integration", "integration": to.integration}
    return {"to": "account"}


def named(field: str) -> str:
    """What a form's field is called here: `own-staging-p_host` is `environments.staging.parameters.host`."""
    if match := OWN.fullmatch(field):
        return f"environments.{match[1]}.{named(match[2])}".removesuffix(".")
    for prefix, name in PREFIXES.items():
        if field.startswith(prefix):
            return f"{name}.{field.removeprefix(prefix)}"
    return OTHERWISE.get(field, field)
