"""Database drivers: what each asks for, how it signs in, what a flow gets to sign in itself."""

from .base import BadParameter, Driver, Target
from .mysql import MySQL
from .postgresql import PostgreSQL
from .redis import Redis

__all__ = ["DRIVERS", "BadParameter", "Driver", "Target"]

DRIVERS: dict[str, Driver] = {driver.slug: driver for driver in (PostgreSQL(), MySQL(), Redis())}
