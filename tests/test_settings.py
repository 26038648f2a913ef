"""SECURITY 1.5: ConnHub starts with settings that make sense, or says in one line which don't."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

HOUSE = Path(__file__).parent.parent
KEYS = os.environ["CONNHUB_KEYS"]
SECRET_KEY = os.environ["SECRET_KEY"]
VALUE = "import connhub.settings as s; print(repr(s.{}))"


def start(code="import connhub.settings", said="", **environment):
    """Read the settings in a process that has only these in its environment."""
    basic = {"CONNHUB_ENV_FILE": os.devnull, "SECRET_KEY": SECRET_KEY, "CONNHUB_KEYS": KEYS}
    given = {name: value for name, value in (basic | environment).items() if value is not None}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=given,
        cwd=HOUSE,
        input=said,
        capture_output=True,
        text=True,
    )


def setting(name, **environment):
    run = start(VALUE.format(name), **environment)
    assert run.stderr == ""
    return run.stdout.strip()


def test_the_defaults_are_enough():
    run = start()

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


A_URL = "must look like https://connhub.example.com."
ALONE = "must be scheme, host and port alone, without a path or sign-in."
HTTPS = "must start with https:// unless ConnHub is reached on this machine only."
A_DATABASE = "must be sqlite:///… or postgres://…."
AN_EMAIL_URL = "must look like smtp+tls://user:password@mail.example.com:587."
A_RATE = "must look like 6000/minute."
BYTES = "must be between 1 and 1099511627776."
NOT_SET = "is not set. Run `make run` once, or see .env.example."
SHORT = "is too short or too simple; it needs at least 50 random characters."
SAMPLE = "is a sample value; make your own."


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SECRET_KEY", None, NOT_SET),
        ("SECRET_KEY", "", SHORT),
        ("SECRET_KEY", SECRET_KEY[:49], SHORT),
        ("SECRET_KEY", "abc" * 30, SHORT),
        ("SECRET_KEY", "django-insecure-" + SECRET_KEY, SAMPLE),
        ("SECRET_KEY", "change-me-" + SECRET_KEY, SAMPLE),
        ("CONNHUB_KEYS", None, NOT_SET),
        ("CONNHUB_KEYS", "", "holds no key."),
        ("CONNHUB_KEYS", "nonsense", "key 1 is not of the form 8-hex-digits:base64."),
        ("CONNHUB_KEYS", "0a0b0c0d:c2hvcnQ=", "key 1 has 5 bytes; it needs 32."),
        ("CONNHUB_KEYS", f"{KEYS},{KEYS}", "holds key 2 twice (the id or the key repeats)."),
        (
            "CONNHUB_KEYS",
            "0a0b0c0d:" + "A" * 43 + "=",
            "key 1 is a sample or far too simple; make a random one.",
        ),
        ("CONNHUB_HOME", "/dev/null", "is not a folder, and none can be made there."),
        ("CONNHUB_HOME", "/dev/null/x", "is not a folder, and none can be made there."),
        ("CONNHUB_URL", "connhub.example.com", A_URL),
        ("CONNHUB_URL", "ftp://connhub.example.com", A_URL),
        ("CONNHUB_URL", "https://", A_URL),
        ("CONNHUB_URL", "https://connhub.example.com:x", A_URL),
        ("CONNHUB_URL", "https://connhub.example.com:99999", A_URL),
        ("CONNHUB_URL", "https://conn hub.example.com", A_URL),
        ("CONNHUB_URL", "https://[connhub", A_URL),
        ("CONNHUB_URL", "https://connhub.example.com/app", ALONE),
        ("CONNHUB_URL", "https://connhub.example.com?x=1", ALONE),
        ("CONNHUB_URL", "https://user:pass@connhub.example.com", ALONE),
        ("CONNHUB_URL", "http://connhub.example.com", HTTPS),
        ("CONNHUB_URL", "http://10.0.0.5:8000", HTTPS),
        ("CONNHUB_TRUSTED_PROXIES", "proxy.internal", "proxy.internal is not an IP address."),
        ("CONNHUB_TRUSTED_PROXIES", "10.0.0.5,10.0.0.0/8", "10.0.0.0/8 is not an IP address."),
        ("CONNHUB_BIND", "everywhere", "must be an IP address, such as 127.0.0.1 or 0.0.0.0."),
        ("PORT", "http", "must be a whole number."),
        ("PORT", "70000", "must be between 1 and 65535."),
        ("PORT", "-1", "must be between 1 and 65535."),
        ("CONNHUB_WEB_PROCESSES", "many", "must be a whole number."),
        ("CONNHUB_WEB_PROCESSES", "0", "must be between 1 and 64."),
        ("CONNHUB_WEB_PROCESSES", "65", "must be between 1 and 64."),
        ("DATABASE_URL", "nonsense", A_DATABASE),
        ("DATABASE_URL", "", A_DATABASE),
        ("DATABASE_URL", "mysql://db/connhub", A_DATABASE),
        ("DATABASE_URL", "postgres://db:x/connhub", A_DATABASE),
        ("REDIS_URL", "memcached://cache", "must start with redis://, rediss:// or unix://."),
        ("REDIS_URL", "redis://cache:x/0", "must look like redis://:password@host:6379/0."),
        ("CONNHUB_CA_FILE", "/nonexistent.pem", "is not a file of certificates in PEM form."),
        ("CONNHUB_CA_FILE", __file__, "is not a file of certificates in PEM form."),
        ("CONNHUB_TLS_UNVERIFIED_ALLOWED", "maybe", "must be true or false."),
        ("CONNHUB_PROXY_MAX_REQUEST", "big", "must be a whole number."),
        ("CONNHUB_PROXY_MAX_REQUEST", "0", BYTES),
        ("CONNHUB_PROXY_MAX_RESPONSE", "-5", BYTES),
        ("CONNHUB_PROXY_CONNECT_S", "61", "must be between 1 and 60."),
        ("CONNHUB_PROXY_IDLE_S", "0", "must be between 1 and 600."),
        ("CONNHUB_PROXY_TOTAL_S", "1.5", "must be a whole number."),
        ("CONNHUB_RATE_PER_KEY", "often", A_RATE),
        ("CONNHUB_RATE_PER_KEY", "0/minute", A_RATE),
        ("CONNHUB_RATE_PER_CONNECTION", "10", A_RATE),
        ("TIME_ZONE", "Mars/Olympus", "must be the name of a time zone, such as Europe/Zurich."),
        (
            "TIME_ZONE",
            "../../etc/passwd",
            "must be the name of a time zone, such as Europe/Zurich.",
        ),
        ("EMAIL_URL", "nonsense", AN_EMAIL_URL),
        ("EMAIL_URL", "pigeon://loft", AN_EMAIL_URL),
        ("EMAIL_URL", "smtp://mail:x", AN_EMAIL_URL),
        ("MAIL_FROM", "ConnHub", "must look like ConnHub <connhub@example.com>."),
        ("LOG_LEVEL", "loud", "must be DEBUG, INFO, WARNING or ERROR."),
    ],
)
def test_a_value_that_cannot_be_used_ends_the_start_with_one_line(name, value, why):
    run = start(**{name: value})

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"connhub: {name}: {why}\n"


def test_an_allow_list_entry_that_cannot_be_is_named():
    run = start(CONNHUB_EGRESS_ALLOW="erp.internal:443,everything")

    assert run.returncode == 2
    assert re.fullmatch(r"connhub: CONNHUB_EGRESS_ALLOW: 'everything' .*\n", run.stderr)


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("CONNHUB_HOME", "HOME", f"PosixPath('{HOUSE / 'var'}')"),
        ("CONNHUB_ENV_FILE", "PORT", "8000"),
        ("PORT", "PORT", "8000"),
        ("REDIS_URL", "REDIS_URL", "''"),
        ("CONNHUB_CA_FILE", "CONNHUB_CA_FILE", "None"),
        ("CONNHUB_TRUSTED_PROXIES", "TRUSTED_PROXIES", "[]"),
        ("CONNHUB_EGRESS_ALLOW", "CONNHUB_EGRESS_ALLOW", "[]"),
    ],
)
def test_a_setting_left_empty_has_its_default(name, attribute, value):
    assert setting(attribute, **{name: ""}) == value


@pytest.mark.parametrize("name", ["SECRET_KEY", "CONNHUB_KEYS", "DATABASE_URL"])
def test_a_file_that_cannot_be_read_ends_the_start_with_one_line(name):
    run = start(**{f"{name}_FILE": "/nonexistent"})

    assert run.returncode == 2
    assert run.stderr == f"connhub: {name}_FILE: can't be read (No such file or directory).\n"


def test_no_value_of_a_secret_stands_in_the_line_that_refuses_it():
    for name in ("SECRET_KEY", "CONNHUB_KEYS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"):
        run = start(**{name: "x://u:hunter2hunter2@h:x"})

        assert run.returncode == 2
        assert "hunter2" not in run.stderr


def test_a_secret_may_come_from_a_file_which_goes_first(tmp_path):
    path = tmp_path / "secret_key"
    path.write_text(SECRET_KEY + "-from-the-file\n")

    assert setting("SECRET_KEY", SECRET_KEY_FILE=str(path)) == repr(SECRET_KEY + "-from-the-file")


def test_a_database_url_may_come_from_a_file(tmp_path):
    path = tmp_path / "url"
    path.write_text("postgres://connhub:pw@db.example.com/connhub\n")

    assert setting("DATABASES['default']['NAME']", DATABASE_URL_FILE=str(path)) == "'connhub'"


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_debug_pages_cannot_be_switched_on(value):
    assert setting("DEBUG", DEBUG=value) == "False"


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("https://connhub.example.com", "ALLOWED_HOSTS", "['connhub.example.com']"),
        ("https://connhub.example.com/", "CSRF_TRUSTED_ORIGINS", "['https://connhub.example.com']"),
        ("https://connhub.example.com", "SESSION_COOKIE_NAME", "'__Host-session'"),
        ("https://connhub.example.com", "CSRF_COOKIE_NAME", "'__Host-csrf'"),
        ("https://connhub.example.com", "SESSION_COOKIE_SECURE", "True"),
        ("https://connhub.example.com", "CSRF_COOKIE_SECURE", "True"),
        ("https://connhub.example.com", "SECURE_HSTS_SECONDS", "63072000"),
        ("https://connhub.example.com", "SECURE_SSL_REDIRECT", "True"),
        ("https://connhub.example.com", "PORT", "8000"),
        ("http://127.0.0.1:9000", "PORT", "9000"),
        ("http://127.0.0.1:9000", "SESSION_COOKIE_NAME", "'connhub_session'"),
        ("http://localhost:9000", "ALLOWED_HOSTS", "['localhost']"),
        ("http://[::1]:9000", "ALLOWED_HOSTS", "['[::1]']"),
    ],
)
def test_the_public_url_decides_hosts_cookies_and_ports(url, name, value):
    assert setting(name, CONNHUB_URL=url) == value


def test_a_proxy_is_believed_only_if_it_is_configured():
    name = "__dict__.get('SECURE_PROXY_SSL_HEADER')"

    assert setting(name) == "None"
    assert (
        setting(name, CONNHUB_TRUSTED_PROXIES="10.0.0.5") == "('HTTP_X_FORWARDED_PROTO', 'https')"
    )


def test_connections_cannot_reach_what_connhub_itself_runs_on():
    endpoints = setting(
        "CONNHUB_OWN_ENDPOINTS",
        CONNHUB_URL="https://connhub.example.com",
        DATABASE_URL="postgres://u:p@db.internal/connhub",
        REDIS_URL="rediss://:p@cache.internal:6380/0",
    )

    assert endpoints == repr(
        [
            ("127.0.0.1", 8000),
            ("connhub.example.com", 443),
            ("db.internal", 5432),
            ("cache.internal", 6380),
        ]
    )


LOGS = """
import logging, logging.config, sys
import connhub.settings as s
logging.config.dictConfig(s.LOGGING)
log = logging.getLogger("urllib3")
said = sys.stdin.read()
log.error(said)
log.error("Said %s.", [said])
log.error("It failed.", extra={"said": {"a": said}})
try:
    raise ValueError(said)
except ValueError:
    log.exception("It broke.")
log.error("The end of all %s words.", len(said.split()))
"""


def test_no_secret_of_the_configuration_is_ever_logged_whatever_stands_around_it():
    plain = {name: f"canary {name}/'&ü\\" for name in ("database", "cache", "mail", "oidc")}
    quoted = {name: quote(value, safe="") for name, value in plain.items()}
    configured = {
        "DATABASE_URL": f"postgres://u:{quoted['database']}@db.internal/connhub",
        "REDIS_URL": f"redis://:{quoted['cache']}@cache.internal:6380/0",
        "EMAIL_URL": f"smtp+tls://u:{quoted['mail']}@mail.internal:587",
        "CONNHUB_OIDC_ISSUER": "https://login.internal",
        "CONNHUB_OIDC_CLIENT_ID": "connhub",
        "CONNHUB_OIDC_CLIENT_SECRET": plain["oidc"],
    }
    key = KEYS.partition(":")[2]
    said = "\n".join([*plain.values(), *quoted.values(), SECRET_KEY, key])

    run = start(LOGS, said=said, **configured)

    assert run.returncode == 0
    assert f"The end of all {len(said.split())} words." in run.stderr
    assert not [part for part in ("canary", SECRET_KEY, key) if part in run.stderr]


def test_a_password_that_is_an_ordinary_word_does_not_black_out_the_logs():
    run = start(LOGS, said="a line", DATABASE_URL="postgres://u:line@db.internal/connhub")

    assert '"message": "a line"' in run.stderr


def test_the_example_names_every_setting_and_no_other():
    documented = set(re.findall(r"^#?([A-Z_]+)=", (HOUSE / ".env.example").read_text(), re.M))
    source = (HOUSE / "connhub/settings.py").read_text()
    read = set(re.findall(r"\bread(?:_\w+)?\(\s*\"([A-Z_]+)\"", source))

    # Any setting may come from a NAME_FILE; the example shows it for the two that mostly do.
    assert documented - {"SECRET_KEY_FILE"} == read
