"""The product's settings, for tests: fast password hashes, no static manifest, own keys."""

import os
import tempfile
from pathlib import Path

HOME = Path(os.environ.setdefault("CONNHUB_HOME", tempfile.mkdtemp(prefix="connhub-tests-")))
os.environ["CONNHUB_ENV_FILE"] = os.devnull
os.environ.setdefault("SECRET_KEY", "tests-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH")
os.environ.setdefault("CONNHUB_KEYS", "0a0b0c0d:" + "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=")
os.environ.setdefault("EMAIL_URL", "memorymail://")

from connhub.settings import *  # noqa: E402, F403
from connhub.settings import DATABASES, HUEY  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test.sqlite3")}
DATABASES["default"]["CONN_MAX_AGE"] = 0
# Tests that run side by side don't take each other's tasks.
if "filename" in HUEY:
    HUEY["filename"] = str(HOME / f"queue-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.sqlite3")
