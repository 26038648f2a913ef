from datetime import timedelta

from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from connhub.services.models import OAuthApp

from .models import Authorization

# Longer than a change waits to be authorized and an authorization then takes.
ABANDONED = timedelta(hours=2)


@db_periodic_task(crontab(minute="*/15"))
def forget_expired_authorizations() -> None:
    """Sign-ins at a provider that nobody came back from leave nothing behind."""
    now = timezone.now()
    Authorization.objects.filter(expires_at__lt=now).delete()
    OAuthApp.objects.filter(shared=False, connection=None, created_at__lt=now - ABANDONED).delete()
