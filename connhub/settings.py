"""Every setting, read once from the environment, safe by default. `.env.example` documents them.

A value that can't be used ends the start with one line that says which and why.
"""

import ssl
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from connhub import logs
from connhub.configuration import read, read_number, read_path, read_rate, read_switch, stop
from connhub.egress import syslog
from connhub.egress.allowed import parse_allow_list
from connhub.egress.host import parse_host
from connhub.vault.keyring import BadKeys, repeats
from connhub.vault.keyring import parse as parse_keys

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where ConnHub lives -------------------------------------------------------------------------

HOME = Path(read("CONNHUB_HOME", default="") or BASE_DIR / "var").resolve()
if not next(path for path in (HOME, *HOME.parents) if path.exists()).is_dir():
    stop("CONNHUB_HOME", "is not a folder, and none can be made there.")

_port = read("PORT", "int", None)
if _port is not None and not 0 < _port < 65536:
    stop("PORT", "must be between 1 and 65535.")
CONNHUB_URL = read("CONNHUB_URL", default=f"http://127.0.0.1:{_port or 8000}").rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


try:
    _public = urlsplit(CONNHUB_URL)
    PUBLIC_PORT = _public.port or {"https": 443, "http": 80}[_public.scheme]
    parse_host(_public.hostname or "")
except (ValueError, KeyError):
    stop("CONNHUB_URL", "must look like https://connhub.example.com.")
if _public.path or _public.query or _public.fragment or _public.username:
    stop("CONNHUB_URL", "must be scheme, host and port alone, without a path or sign-in.")
if _public.scheme == "http" and not _is_loopback(_public.hostname):
    stop("CONNHUB_URL", "must start with https:// unless ConnHub is reached on this machine only.")

IS_HTTPS = _public.scheme == "https"
ALLOWED_HOSTS = [f"[{_public.hostname}]" if ":" in _public.hostname else _public.hostname]
CSRF_TRUSTED_ORIGINS = [CONNHUB_URL]
USE_X_FORWARDED_HOST = False
TRUSTED_PROXIES = read("CONNHUB_TRUSTED_PROXIES", "list", [])
for _proxy in TRUSTED_PROXIES:
    try:
        ip_address(_proxy)
    except ValueError:
        stop("CONNHUB_TRUSTED_PROXIES", f"{_proxy} is not an IP address.")
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

BIND = read("CONNHUB_BIND", default="127.0.0.1")
try:
    ip_address(BIND)
except ValueError:
    stop("CONNHUB_BIND", "must be an IP address, such as 127.0.0.1 or 0.0.0.0.")
PORT = _port or (PUBLIC_PORT if _is_loopback(_public.hostname) else 8000)
WEB_PROCESSES = read_number("CONNHUB_WEB_PROCESSES", 1, most=64)

# --- Secrets of the installation ----------------------------------------------------------------

DEBUG = False
SECRET_KEY = read("SECRET_KEY").strip()
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10:
    stop("SECRET_KEY", "is too short or too simple; it needs at least 50 random characters.")
if "change-me" in SECRET_KEY or SECRET_KEY.startswith("django-insecure"):
    stop("SECRET_KEY", "is a sample value; make your own.")

CONNHUB_KEYS = read("CONNHUB_KEYS").strip()
CONNHUB_KEYS_FILE = read("CONNHUB_KEYS_FILE", default="")
try:
    parse_keys(CONNHUB_KEYS)
except BadKeys as error:
    stop("CONNHUB_KEYS", str(error))
if repeats(CONNHUB_KEYS, SECRET_KEY):
    stop("SECRET_KEY", "holds a key of CONNHUB_KEYS; make one of its own.")

# --- Apps ---------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "connhub.vault",
    "connhub.egress",
    "connhub.audit",
    "connhub.accounts",
    "connhub.services",
    "connhub.sharing",
    "connhub.connections",
    "connhub.usage",
    "connhub",
    "connhub.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "guardian",
    "axes",
    "huey.contrib.djhuey",
]

MIDDLEWARE = [
    "connhub.middleware.RequestIdMiddleware",
    "connhub.middleware.SecurityHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "connhub.accounts.sessions.SessionLimitsMiddleware",
    "connhub.audit.middleware.AuditContextMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "connhub.accounts.sessions.SecondFactorMiddleware",
    "connhub.middleware.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "connhub.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "connhub.context.shell",
                "connhub.accounts.context.sign_in_ways",
            ],
            "builtins": ["connhub.tags", "django.templatetags.static"],
        },
    },
    {
        "NAME": "letters",
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"autoescape": False},  # plain text
    },
]
FORM_RENDERER = "connhub.forms.FormRenderer"

# --- Data ---------------------------------------------------------------------------------------

_sqlite, _must = f"sqlite:///{HOME / 'connhub.sqlite3'}", "must be sqlite:///… or postgres://…."
_database = read("DATABASE_URL", "db_url", _sqlite, _must)
if _database.get("ENGINE") == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
elif _database.get("ENGINE") == "django.db.backends.postgresql":
    _database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
else:
    stop("DATABASE_URL", _must)
DATABASES = {
    "default": {
        **_database,
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = read("REDIS_URL", default="")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    stop("REDIS_URL", "must start with redis://, rediss:// or unix://.")
try:
    _redis = urlsplit(REDIS_URL)
    _redis_endpoints = [(_redis.hostname, _redis.port or 6379)] if _redis.hostname else []
except ValueError:
    stop("REDIS_URL", "must look like redis://:password@host:6379/0.")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

HUEY = {
    "name": "connhub",
    "immediate": False,
    "consumer": {"workers": 2, "worker_type": "thread", "loglevel": 30},
} | (
    {"huey_class": "huey.PriorityRedisHuey", "url": REDIS_URL}
    if REDIS_URL
    else {"huey_class": "huey.SqliteHuey", "filename": str(HOME / "queue.sqlite3")}
)

# --- Egress: what ConnHub may reach (changeable only here, never on a page) ------------------------

CONNHUB_EGRESS_ALLOW = read("CONNHUB_EGRESS_ALLOW", "list", [])
try:
    parse_allow_list(CONNHUB_EGRESS_ALLOW)
except ValueError as error:
    stop("CONNHUB_EGRESS_ALLOW", str(error))
CONNHUB_CA_FILE = read("CONNHUB_CA_FILE", default="") or None
if CONNHUB_CA_FILE:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(CONNHUB_CA_FILE)
    except OSError:
        stop("CONNHUB_CA_FILE", "is not a file of certificates in PEM form.")
CONNHUB_TLS_UNVERIFIED_ALLOWED = read_switch("CONNHUB_TLS_UNVERIFIED_ALLOWED", "false")

CONNHUB_AUDIT_FILE = read_path("CONNHUB_AUDIT_FILE")
CONNHUB_AUDIT_HEAD_FILE = read_path("CONNHUB_AUDIT_HEAD_FILE")
try:
    CONNHUB_AUDIT_SYSLOG = read("CONNHUB_AUDIT_SYSLOG", default="")
    _collectors = syslog.endpoints(CONNHUB_AUDIT_SYSLOG)
except syslog.BadSyslog as error:
    stop("CONNHUB_AUDIT_SYSLOG", str(error))
CONNHUB_OWN_ENDPOINTS = [
    (BIND, PORT),
    (_public.hostname, PUBLIC_PORT),
    *([(_database["HOST"], int(_database.get("PORT") or 5432))] if _database.get("HOST") else []),
    *_redis_endpoints,
    *_collectors,
]
# --- Proxy limits (SECURITY 6.6) -------------------------------------------------------------------

PROXY_MAX_REQUEST = read_number("CONNHUB_PROXY_MAX_REQUEST", 10 * 2**20)
PROXY_MAX_RESPONSE = read_number("CONNHUB_PROXY_MAX_RESPONSE", 100 * 2**20)
PROXY_CONNECT_S = read_number("CONNHUB_PROXY_CONNECT_S", 5, most=60)
PROXY_IDLE_S = read_number("CONNHUB_PROXY_IDLE_S", 30, most=600)
PROXY_TOTAL_S = read_number("CONNHUB_PROXY_TOTAL_S", 60, most=3600)
PROXY_RATE_KEY = read_rate("CONNHUB_RATE_PER_KEY")
PROXY_RATE_CONNECTION = read_rate("CONNHUB_RATE_PER_CONNECTION")
ADMIN_RATE_TOKEN = read_rate("CONNHUB_RATE_PER_ADMIN_TOKEN", "600/minute")
# Days that calls are kept, and that their sums by day are.
CALLS_KEPT_DAYS = read_number("CONNHUB_CALLS_KEPT_DAYS", 30, most=3650)
CALL_DAYS_KEPT = read_number("CONNHUB_CALL_DAYS_KEPT", 400, most=3650)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_MAX_MEMORY_SIZE = 11 * 2**20  # and what is larger is dropped: nothing goes to the disk
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# --- People -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Single sign-on by OpenID Connect; off without an issuer.
OIDC_ISSUER = read("CONNHUB_OIDC_ISSUER", default="")
OIDC_CLIENT_ID = read("CONNHUB_OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = read("CONNHUB_OIDC_CLIENT_SECRET", default="").strip()
OIDC_DOMAINS = [_domain.strip().lower() for _domain in read("CONNHUB_OIDC_DOMAINS", "list", [])]
OIDC_CREATE_ROLE = read("CONNHUB_OIDC_CREATE", default="").lower()
OIDC_LABEL = read("CONNHUB_OIDC_LABEL", default="Single sign-on")
PASSWORD_SIGN_IN = read_switch("CONNHUB_PASSWORD_SIGN_IN", "true")
if OIDC_ISSUER and not OIDC_ISSUER.startswith(("https://", "http://")):
    stop("CONNHUB_OIDC_ISSUER", "must look like https://login.example.com.")
if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
    stop("CONNHUB_OIDC_ISSUER", "needs CONNHUB_OIDC_CLIENT_ID and CONNHUB_OIDC_CLIENT_SECRET.")
if OIDC_CREATE_ROLE not in ("", "member", "admin"):
    stop("CONNHUB_OIDC_CREATE", "must be member or admin, or not set.")
if not (PASSWORD_SIGN_IN or OIDC_ISSUER):
    stop("CONNHUB_PASSWORD_SIGN_IN", "can be false only with CONNHUB_OIDC_ISSUER.")

PASSWORD_RESET_TIMEOUT = 1800
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "connections:list"
LOGOUT_REDIRECT_URL = "accounts:sign_in"

# Ten failures in 15 minutes for an account from one address, or for the address alone; counted in
# the database, so for all processes together. Nobody else's failures lock the real person out.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_USERNAME_CALLABLE = "connhub.accounts.sessions.account_name"
AXES_CLIENT_IP_CALLABLE = "connhub.accounts.sessions.client_ip"
AXES_LOCKOUT_CALLABLE = "connhub.accounts.views.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_SENSITIVE_PARAMETERS = ["password", "username", "code"]
AXES_VERBOSE = False

SESSION_ENGINE = "connhub.accounts.session_store"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_IDLE_S = 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "connhub_session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "connhub_csrf"
CSRF_FAILURE_VIEW = "connhub.middleware.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

SILENCED_SYSTEM_CHECKS = ["guardian.W001"]  # roles are asked of `sharing`, not of a backend
ANONYMOUS_USER_NAME = None

# --- Headers (SECURITY 10.4) -----------------------------------------------------------------------

SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 2 * 365 * 86400 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
# With no-referrer browsers send "Origin: null", and every form is refused; the OAuth callback
# alone answers with no-referrer.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- Files, language, time ------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 3600

LANGUAGE_CODE = "en-gb"
USE_I18N = False
TIME_ZONE = read("TIME_ZONE", default="UTC")
try:
    ZoneInfo(TIME_ZONE)
except (KeyError, ValueError, OSError):
    stop("TIME_ZONE", "must be the name of a time zone, such as Europe/Zurich.")
USE_TZ = True

# --- Mail ---------------------------------------------------------------------------------------

_must = "must look like smtp+tls://user:password@mail.example.com:587."
vars().update(read("EMAIL_URL", "email_url", "dummymail://", _must))
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = read("MAIL_FROM", default=f"ConnHub <connhub@{ALLOWED_HOSTS[0]}>")
if "@" not in parseaddr(DEFAULT_FROM_EMAIL)[1]:
    stop("MAIL_FROM", "must look like ConnHub <connhub@example.com>.")

# --- Logs ---------------------------------------------------------------------------------------

_vault_keys = [entry.partition(":")[2] for entry in CONNHUB_KEYS.replace(",", " ").split()]
_passwords = [_database.get("PASSWORD"), _redis.password, vars().get("EMAIL_HOST_PASSWORD")]
logs.hide([SECRET_KEY, *_vault_keys, OIDC_CLIENT_SECRET, *_passwords])
try:
    LOGGING = logs.configuration(read("LOG_LEVEL", default="WARNING").upper())
except ValueError as error:
    stop("LOG_LEVEL", str(error))
