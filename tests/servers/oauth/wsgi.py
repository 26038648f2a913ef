"""The whole server as one WSGI application: log and side door, faults, django-oauth-toolkit."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.servers.oauth.settings")
django_application = get_wsgi_application()

from tests.servers.oauth.control import controlled, serialised  # noqa: E402  wants the models
from tests.servers.oauth.faults import faulty  # noqa: E402

application = controlled(
    faulty(serialised(django_application)), os.environ["OAUTH_SERVER_CONTROL_TOKEN"]
)
