"""nginx doing the least that a proxy can: adding a fixed header, over pooled connections."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.process import free_port, listens, running, temporary_folder

CONFIG = """
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream service {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer fixed";
    }}
  }}
}}
"""


@contextmanager
def running_nginx(upstream: int) -> Iterator[str]:
    """Its URL, while the block lasts."""
    port, folder = free_port(), temporary_folder("nginx")
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=upstream))
    command = ["nginx", "-c", str(config), "-e", str(folder / "error.log")]
    with running(command, folder=folder, ready=lambda: listens(port)):
        yield f"http://127.0.0.1:{port}"
