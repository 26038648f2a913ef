from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from .calls import folding, keeping


@db_periodic_task(crontab(minute="*"))
def add_up_calls() -> None:
    """What was called since goes into the sums."""
    folding.fold()


@db_periodic_task(crontab(minute="23"))
def forget_old_calls() -> None:
    """Calls and their sums are kept as long as the settings say."""
    keeping.forget()
