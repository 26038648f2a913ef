"""Drivers of databases and other servers: what each asks for, how it signs in, what a flow gets."""

from .amqp import AMQP
from .base import BadParameter, Driver, Target
from .ftp import FTP
from .imap import IMAP
from .ldap import LDAP
from .mqtt import MQTT
from .mysql import MySQL
from .nats import NATS
from .pop3 import POP3
from .postgresql import PostgreSQL
from .redis import Redis
from .sftp import SFTP
from .smtp import SMTP

__all__ = ["DRIVERS", "BadParameter", "Driver", "Target"]

KNOWN = (
    *(PostgreSQL(), MySQL(), Redis()),
    *(SMTP(), IMAP(), POP3()),
    *(SFTP(), FTP()),
    *(AMQP(), MQTT(), NATS()),
    LDAP(),
)
DRIVERS: dict[str, Driver] = {driver.slug: driver for driver in KNOWN}
