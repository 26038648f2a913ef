"""`python -m tests.servers.oauth PORT`: make the database and the users, then serve on loopback."""

import os
import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.contrib.auth import get_user_model
from django.core.management import call_command

from tests.servers.oauth.wsgi import application


class ThreadedServer(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request, so that a slow one holds nobody up."""

    daemon_threads = True
    request_queue_size = 128


class QuietHandler(WSGIRequestHandler):
    """Logs nothing: request lines hold codes and states."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def main(port: int) -> None:
    """Serve until the process is told to end."""
    call_command("migrate", verbosity=0)
    for name in os.environ["OAUTH_SERVER_USERS"].split(","):
        get_user_model().objects.create_user(name, password=os.environ["OAUTH_SERVER_PASSWORD"])
    with make_server("127.0.0.1", port, application, ThreadedServer, QuietHandler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
