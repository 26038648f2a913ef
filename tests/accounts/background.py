"""What the worker does, done here and now, in the transaction of the test."""

from huey.contrib.djhuey import HUEY

from connhub.accounts import tasks


def do_what_is_queued() -> None:
    """Letters wait: the mailbox collects them."""
    while task := HUEY.dequeue():
        if task.name == "send_reset":
            tasks.send_reset.call_local(*task.args)
