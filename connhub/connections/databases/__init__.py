"""Drivers of databases and other servers: what each asks for, how it signs in, what a flow gets."""

from .base import BadParameter, Driver, Target
from .ldap import LDAP
from .mysql import MySQL
from .postgresql import PostgreSQL
from .redis import Redis
from .sftp import SFTP
from .smtp import SMTP

__all__ = ["DRIVERS", "BadParameter", "Driver", "Target"]

DRIVERS: dict[str, Driver] = {
    driver.slug: driver for driver in (PostgreSQL(), MySQL(), Redis(), SMTP(), SFTP(), LDAP())
}
