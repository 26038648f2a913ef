"""What stands in the way of a backup, or of its return."""

from connhub.errors import Refusal


class Damaged(Refusal):
    code = "database-damaged"
    text = "SQLite says that the database is damaged. No backup was written."


class InUse(Refusal):
    code = "database-in-use"
    text = "The database is in use. Stop ConnHub first. Nothing was changed."


class NotEmpty(Refusal):
    code = "not-empty"
    text = "There is data in the database already; --replace puts the backup in its place."


class OtherDatabase(Refusal):
    code = "other-database"


class OtherVersion(Refusal):
    code = "other-version"


class NotLoaded(Refusal):
    code = "not-loaded"
    text = "The database does not take what the backup holds. Nothing was changed."
