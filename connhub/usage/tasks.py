from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from .calls import folding, keeping
from .rates import in_database


@db_periodic_task(crontab(minute="*"))
def add_up_calls() -> None:
    """What was called since goes into the sums."""
    folding.fold()


@db_periodic_task(crontab(minute="23"))
def forget_old_calls() -> None:
    """Calls and their sums are kept as long as the settings say."""
    keeping.forget()


@db_periodic_task(crontab(minute="53"))
def forget_old_counts() -> None:
    """What counted towards limits goes once its time is over."""
    in_database.forget()
