from connhub.connections import databases
from connhub.services.models import AuthMethod

from .base import Field, Method, Values


class Database(Method):
    """A database's address and sign-in, as its driver asks for them."""

    kind = "database"
    label = "Database"
    is_http = False

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return databases.DRIVERS[method.service.driver].fields

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        driver = databases.DRIVERS[method.service.driver]
        secrets = {
            item.name: values[item.name]
            for item in driver.fields
            if item.secret and item.name in values
        }
        parameters = {name: value for name, value in values.items() if name not in secrets}
        return dict(values) | {"dsn": driver.dsn(parameters, secrets)}
