"""How many values each key sealed: with random nonces, AES-GCM is good for 2^32 of them.

(NIST SP 800-38D, 8.3.) They are counted in memory and added to the database now and then, so that
nothing that seals has to wait; a process that is killed takes with it what it had not added yet.
"""

from django.db import Error, transaction
from django.db.models import F

from . import keyring
from .models import KeyCheck

TOO_MANY = 2**31  # half of what is allowed


def flush() -> None:
    """Add to the database what this process sealed since; what can't be added stays for later."""
    counts = keyring.take_counts()
    try:
        with transaction.atomic():
            for key_id in sorted(counts):
                check = KeyCheck.objects.filter(key_id=key_id)
                check.update(sealed=F("sealed") + counts[key_id])
    except Error:
        keyring.count(counts)
        raise
