from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from connhub.audit.context import Context, current
from connhub.vault import counting

from . import outbox, resealing, resets
from .session_store import SessionStore

AT_IT_S = 10


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


@db_task()
def go_on_rotating() -> None:
    """Go on sealing everything anew for some seconds, then leave the worker to others."""
    run = resealing.going_on()
    if run is not None and not resealing.work(run, for_s=AT_IT_S):
        go_on_rotating()


@db_periodic_task(crontab())
def look_after_keys() -> None:
    """A rotation that nobody is at any more goes on; what was sealed meanwhile is counted."""
    counting.flush()
    run = resealing.going_on()
    if run is not None and resealing.is_deserted(run):
        go_on_rotating()


@db_periodic_task(crontab(minute="7"))
def forget_ended_sessions() -> None:
    SessionStore.clear_expired()
