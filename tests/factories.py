"""The cast and the props of the tests."""

import factory
from factory.django import DjangoModelFactory

from connhub.accounts.models import Role, User
from connhub.connections import lifecycle
from connhub.services.models import AuthMethod, Origin, Service
from connhub.usage.models import Function, Integration, Project

PASSWORD = "correct horse battery staple"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@acme.example")
    role = Role.MEMBER
    password = factory.django.Password(PASSWORD)


class ServiceFactory(DjangoModelFactory):
    class Meta:
        model = Service

    slug = factory.Sequence(lambda n: f"service-{n}")
    name = factory.Sequence(lambda n: f"Service {n}")
    origin = Origin.CUSTOM
    category = "CRM"
    monogram = "Se"
    colour = "#0b5a4a"
    base_url = "https://api.service.example/v1"


class AuthMethodFactory(DjangoModelFactory):
    class Meta:
        model = AuthMethod

    service = factory.SubFactory(ServiceFactory)
    kind = "api_key"
    label = "API key"
    config = factory.LazyFunction(
        lambda: {"keys": [{"name": "X-Api-Key", "in": "header", "label": "API key"}]}
    )


class ProjectFactory(DjangoModelFactory):
    class Meta:
        model = Project

    slug = factory.Sequence(lambda n: f"project-{n}")
    name = factory.Sequence(lambda n: f"Project {n}")


class IntegrationFactory(DjangoModelFactory):
    class Meta:
        model = Integration

    slug = factory.Sequence(lambda n: f"integration-{n}")
    name = factory.Sequence(lambda n: f"Integration {n}")
    project = factory.SubFactory(ProjectFactory)


def connect(
    by, *, method=None, name="Billing", link_name="billing", secret="s3cret-value", **details
):
    """A connection made as a person would make it, with an API key by default."""
    environment = details.pop("environment", None)
    secrets = details.pop("secrets", {"key_1": secret})
    return lifecycle.create(
        method or AuthMethodFactory(),
        lifecycle.Details(name=name, secrets=secrets, **details),
        link_name=link_name,
        by=by,
        environment=environment,
    )


def function_over(*connections, name="sync", integration=None):
    """A function that uses these."""
    function = Function.objects.create(name=name, integration=integration)
    function.connections.set(connections)
    return function
