"""Sessions in the database, each with what its owner is shown of it."""

from datetime import UTC, datetime
from typing import cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db

from .models import Session


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls):
        return Session

    def create_model_instance(self, data):
        row = cast(Session, super().create_model_instance(data))
        row.user_id = data.get(SESSION_KEY)
        row.started_at = _moment(data.get("started_at"))
        row.seen_at = _moment(data.get("seen_at"))
        row.ip = data.get("ip", "")
        row.device = data.get("device", "")
        return row


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
