from django.apps import AppConfig


class EgressConfig(AppConfig):
    name = "connhub.egress"
    label = "egress"
