from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from connhub.audit.context import Context, current

from . import outbox, resets
from .session_store import SessionStore


@db_task()
def deliver_letter(pk: str) -> None:
    outbox.deliver(pk)


@db_periodic_task(crontab())
def deliver_due_letters() -> None:
    """Letters that a mail server didn't take, or that nobody sent, are tried again every minute."""
    for pk in outbox.due().values_list("pk", flat=True)[:500]:
        outbox.deliver(str(pk))


@db_task()
def send_reset(email: str, ip: str, request_id: str) -> None:
    """Look for an account behind the page's back: that it took no time tells nothing."""
    token = current.set(Context(ip, request_id))
    try:
        resets.send(email)
    finally:
        current.reset(token)


@db_periodic_task(crontab(minute="7"))
def forget_ended_sessions() -> None:
    SessionStore.clear_expired()
