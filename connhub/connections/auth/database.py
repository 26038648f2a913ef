from connhub.connections import databases
from connhub.services.models import AuthMethod

from .base import Field, Injection, Method, Values


class Database(Method):
    """A server's address and sign-in, as its driver asks for them: a database, or another one."""

    kind = "database"
    label = "Database"
    is_http = False
    hands_out = ("dsn",)

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return databases.DRIVERS[method.service.driver].fields

    def fault(self, values: Values, method: AuthMethod) -> tuple[str, str] | None:
        driver = databases.DRIVERS[method.service.driver]
        try:
            driver.require_complete(*driver.parted(values))
        except databases.BadParameter as error:
            return error.name, str(error)
        return None

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        """Adds nothing to calls. Raises: KeyError, for values that no driver could sign in with."""
        if fault := self.fault(values, method):
            raise KeyError(fault[0])
        return Injection()

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        """All that the driver knows of, and the URL; what nobody filled in is as its form has it."""
        driver = databases.DRIVERS[method.service.driver]
        usual = {item.name: item.default for item in driver.fields}
        return usual | dict(values) | {"dsn": driver.dsn(*driver.parted(values))}
