from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "connhub.audit"

    def ready(self):
        from connhub import context
        from connhub.egress.guard import exception_used

        from .log import record_egress_exception

        exception_used.connect(record_egress_exception, dispatch_uid="audit")
        context.audiences["audit:log"] = lambda request: getattr(
            request.user, "is_super_admin", False
        )
