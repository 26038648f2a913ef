from .context import Context, current


class AuditContextMiddleware:
    """Lets every event of a request say where it came from."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = current.set(Context(request.client_ip, request.id))
        try:
            return self.get_response(request)
        finally:
            current.reset(token)
