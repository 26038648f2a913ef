from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from connhub.accounts import mail, tasks
from connhub.accounts.models import Letter
from connhub.audit.models import Event

pytestmark = pytest.mark.django_db
SECRET_LINK = "https://connhub.example.com/invitations/once-only"


@pytest.fixture(autouse=True)
def template(settings, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear {{ name }},\n\nopen {{ url }}\n")
    pages, letters = settings.TEMPLATES
    settings.TEMPLATES = [pages, letters | {"DIRS": [tmp_path]}]


def write(to="ben@acme.example", subject="Hello", name="Ben"):
    mail.send(to, subject, "letter.txt", {"name": name, "url": SECRET_LINK})


def let_it_be_due():
    Letter.objects.update(next_try_at=timezone.now())


def test_a_letter_reaches_the_mail_server_once(mailbox):
    write(name="Ben & <Co>")
    (letter,) = mailbox.collect()
    assert letter["to"] == "ben@acme.example"
    assert letter["subject"] == "Hello"
    assert letter.get_content().replace("\r", "") == f"Dear Ben & <Co>,\n\nopen {SECRET_LINK}\n"
    assert not mailbox.collect()
    assert not Letter.objects.exists()


def test_the_subject_stays_one_line(mailbox):
    write(subject="Hello\r\nBcc: eve@acme.example")
    (letter,) = mailbox.collect()
    assert letter["subject"] == "Hello Bcc: eve@acme.example"
    assert letter["bcc"] is None


def test_a_waiting_letter_is_sealed(mailbox):
    write()
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_letter")
        assert "once-only" not in repr([bytes(v) if isinstance(v, memoryview) else v
                                        for v in cursor.fetchone()])  # fmt: skip
    assert "once-only" not in repr(vars(Letter.objects.get()))


@pytest.mark.django_db(transaction=True)
def test_a_letter_of_what_was_rolled_back_is_never_sent(mailbox):
    with pytest.raises(RuntimeError), transaction.atomic():
        write()
        raise RuntimeError
    assert not mailbox.collect()


def test_a_letter_waits_for_a_mail_server_that_refuses(mailbox, caplog):
    mailbox.refuses = True
    write()
    assert not mailbox.collect()
    mailbox.refuses = False
    assert not mailbox.collect(), "it was tried again at once"
    assert Letter.objects.get().next_try_at > timezone.now() + timedelta(minutes=1)
    let_it_be_due()
    assert len(mailbox.collect()) == 1
    assert "once-only" not in caplog.text


def test_a_letter_that_nobody_takes_is_dropped_on_record(mailbox):
    mailbox.refuses = True
    write()
    for _ in range(12):
        let_it_be_due()
        mailbox.collect()
    assert not Letter.objects.exists()
    dropped = Event.objects.get(action="letter.dropped")
    assert (dropped.object, dropped.outcome) == ("Hello", "failed")
    assert dropped.detail == {"said": "SMTPDataError"}


def test_a_letter_somebody_is_sending_is_left_alone(mailbox):
    write()
    Letter.objects.update(next_try_at=timezone.now() + timedelta(minutes=2))
    assert not mailbox.collect()


def test_without_a_mail_server_nothing_is_written(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert not mail.is_set_up()
    write()
    assert not Letter.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_is_away_stops_nothing_and_the_letter_goes_out_later(mailbox, monkeypatch):
    def away(pk):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "deliver_letter", away)
        write()
    tasks.deliver_due_letters.call_local()

    assert len(mailbox.collect()) == 1
