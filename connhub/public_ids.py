"""What URLs name a row by: random, so that nobody counts rows or tries the next one."""

import uuid
from typing import Any

from django.db import models


class PublicId(models.UUIDField):
    """A random UUID, for models whose primary key counts up."""

    def __init__(self, **options: Any) -> None:
        for name, usual in (("default", uuid.uuid4), ("unique", True), ("editable", False)):
            options.setdefault(name, usual)
        super().__init__(**options)
