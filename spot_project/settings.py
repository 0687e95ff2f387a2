"""Every setting, and the only place that reads the environment.

Each has a default that is right for one machine; `docs/configuration.md` describes them all (a test holds the two
together). A value may also come from a file named by the variable with `_FILE` appended, as container secrets do.
"""

import contextlib
import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import providers
import spot_project.celery  # noqa: F401  the application that tasks belong to, in every process
from providers import tracing
from spot_project import environment, logs, whereabouts
from spot_project.redis_connections import Server

env = environment.of_this_process()
BASE_DIR = whereabouts.BASE_DIR
SPOT_HOME = whereabouts.home(env)


# Commands that may create a site. Any other uses an existing one, and creates no folder.
_BEGINNING = {"up", "prepare", "serve", "stream", "migrate", "runserver"}
SPOT_MAY_BEGIN = Path(sys.argv[0]).name != "manage.py" or bool(_BEGINNING & set(sys.argv[1:2]))


def _generated(name: str) -> str:
    """A secret generated on first use, in SPOT_HOME with mode 0600; two processes that race get the same one."""
    if not SPOT_MAY_BEGIN and not (SPOT_HOME / "secrets" / name).exists():
        return secrets.token_urlsafe(48)
    SPOT_HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = SPOT_HOME / "secrets" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)  # whole at once, and only the first
        draft.unlink()
    return path.read_text().strip()


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- the site --------------------------------------------------------------------------------------------------------
DEBUG = env.switch("SPOT_DEBUG", default=False)
SECRET_KEY = env.signing_key("SPOT_SECRET_KEY") or _generated("secret_key")
# Keys that encrypt provider keys at rest, newest first: prepend one to rotate.
SPOT_SECRET_KEYS = env.encryption_keys("SPOT_SECRET_KEYS") or _generated("provider_keys").splitlines()
# Where they are kept: the path of a file, or the name of a variable.
SPOT_SECRET_KEYS_PLACE = env.place("SPOT_SECRET_KEYS") or str(SPOT_HOME / "secrets" / "provider_keys")
PORT = env.whole("PORT", default=8000, least=1, most=65_535)
SPOT_BIND = env.bind("SPOT_BIND", default="127.0.0.1")
SPOT_SERVER = env.word("SPOT_SERVER", default="uvicorn", allowed=("uvicorn", "daphne"))
# Web processes on one socket; 0: one for each processor that this machine lets us use.
SPOT_WEB_PROCESSES = env.whole("SPOT_WEB_PROCESSES", default=1, least=0, most=64) or _processors()
SPOT_IO_URING = env.switch("SPOT_IO_URING", default=True)  # one system call for many frames, where Linux allows it
SPOT_HTTPS = env.switch("SPOT_HTTPS", default=False)  # True behind a TLS proxy: secure cookies, HSTS
# Host names of this site; the machine itself is always allowed, for its health checks.
ALLOWED_HOSTS = [*env.hosts("SPOT_ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
# Origins besides the site's own that may open sockets, as scheme://host[:port]; "*" only with SPOT_DEBUG.
SPOT_ALLOWED_ORIGINS = env.origins("SPOT_ALLOWED_ORIGINS")
# Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.
SPOT_TRUSTED_PROXIES = env.networks("SPOT_TRUSTED_PROXIES")

# --- upstreams -------------------------------------------------------------------------------------------------------
SPOT_DEMO = env.word("SPOT_DEMO", default="auto", allowed=("on", "off", "auto"))
SPOT_POLL_SECONDS = env.number("SPOT_POLL_SECONDS", default=60.0, least=1)  # the markets interval wished for
SPOT_DISAGREE_PERCENT = env.number("SPOT_DISAGREE_PERCENT", default=5.0, above=0)  # where prices are disputed
_READ_BY: dict[str, Callable[[str], object]] = {
    "BASE_URL": partial(env.url, default=""),  # "": the plan's own host
    "STREAM_URL": partial(env.url, default=""),
    "API_KEY": env.secret,
    "PLAN": partial(env.text, default=""),  # "": with a key the first plan that takes one
    "CALLS_PER_MINUTE": partial(env.whole, default=None),  # None: the plan's, 0: no limit
    "CALLS_PER_MONTH": partial(env.whole, default=None),
}
# Of each provider what its adapter declares, such as COINGECKO_API_KEY.
for _provider in providers.all():
    for _setting in _provider.settings:
        _name = f"{_provider.name.upper()}_{_setting}"
        globals()[_name] = _READ_BY[_setting](_name)
SANDBOX_BASE_URL = env.url("SANDBOX_BASE_URL", default="http://127.0.0.1:8099/api/v3")

# --- limits for clients (spot/clients/plans.py says what happens when one is passed) --------------------------------
SPOT_CONNECTIONS_PER_ADDRESS = env.whole("SPOT_CONNECTIONS_PER_ADDRESS", default=200, least=0)
SPOT_CONNECTIONS = env.whole("SPOT_CONNECTIONS", default=20_000, least=0)
SPOT_REQUESTS = env.whole("SPOT_REQUESTS", default=1000, least=0)
SPOT_REQUESTS_PER_ADDRESS = env.whole("SPOT_REQUESTS_PER_ADDRESS", default=100, least=0)
SPOT_REQUESTS_PER_MINUTE = env.whole("SPOT_REQUESTS_PER_MINUTE", default=1200, least=0)
SPOT_NEW_DATASETS_PER_HOUR = env.whole("SPOT_NEW_DATASETS_PER_HOUR", default=240, least=0)
SPOT_QUERIES = env.whole("SPOT_QUERIES", default=10_000, least=0)
# Currencies and coins that are always admitted and fetched first.
SPOT_PINNED_CURRENCIES = env.listed("SPOT_PINNED_CURRENCIES", default=["usd"], lower=True)
SPOT_PINNED_COINS = env.listed("SPOT_PINNED_COINS", default=["bitcoin", "ethereum"])
SPOT_CURRENCIES = env.whole("SPOT_CURRENCIES", default=8, least=0)
SPOT_CHARTS = env.whole("SPOT_CHARTS", default=100, least=0)
SPOT_DOCUMENTS = env.whole("SPOT_DOCUMENTS", default=100, least=0)
SPOT_DOCUMENT_SHARE = env.number("SPOT_DOCUMENT_SHARE", default=30.0, least=0)  # % of the calls that polls leave over
SPOT_ONCHAIN_TOPICS = env.whole("SPOT_ONCHAIN_TOPICS", default=50, least=0)
SPOT_EXTRA_COINS = env.whole("SPOT_EXTRA_COINS", default=250, least=0)
SPOT_DEPTH = env.whole("SPOT_DEPTH", default=1000, least=0)  # coins by market cap that heatmap pages reach
SPOT_SUBSCRIPTIONS = env.whole("SPOT_SUBSCRIPTIONS", default=100, least=0)
SPOT_MESSAGES_PER_SECOND = env.number("SPOT_MESSAGES_PER_SECOND", default=10.0, least=0)
SPOT_SEND_SECONDS = env.number("SPOT_SEND_SECONDS", default=10.0, least=0)
SPOT_FIRST_ANSWER_SECONDS = env.number("SPOT_FIRST_ANSWER_SECONDS", default=5.0, least=0)
SPOT_HEARTBEAT_SECONDS = env.number("SPOT_HEARTBEAT_SECONDS", default=30.0, least=0)

# Networks besides the public ones to which webhooks of alerts may be sent.
SPOT_WEBHOOK_NETWORKS = env.networks("SPOT_WEBHOOK_NETWORKS")

# Who is told when data turn stale, a budget will not last, a key is refused or a provider fails; and the mail server.
SPOT_OPERATORS = env.mailboxes("SPOT_OPERATORS")
(EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL) = env.smtp("SPOT_SMTP_URL")
DEFAULT_FROM_EMAIL = SPOT_MAIL_FROM = env.mailbox("SPOT_MAIL_FROM", default="spot@localhost")
EMAIL_TIMEOUT = 10  # seconds, also of each reply

# Whoever shows it may read /metrics; without it only this machine may.
SPOT_METRICS_TOKEN = env.secret("SPOT_METRICS_TOKEN")

# Errors are reported there; without it the library is not even imported.
SENTRY_DSN = env.dsn("SENTRY_DSN")
SENTRY_ENVIRONMENT = env.text("SENTRY_ENVIRONMENT", default="production")
SENTRY_RELEASE = env.text("SENTRY_RELEASE", default="")  # "": spot@ and the version

# Traces go there, by OpenTelemetry's own variables; without an address there are none.
OTEL_EXPORTER_OTLP_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_HEADERS = env.secret("OTEL_EXPORTER_OTLP_HEADERS")
OTEL_SDK_DISABLED = env.switch("OTEL_SDK_DISABLED", default=False)
env.word("OTEL_EXPORTER_OTLP_PROTOCOL", default="http/protobuf", allowed=("http/protobuf",))
env.word("OTEL_TRACES_SAMPLER", default="parentbased_always_on", allowed=tracing.SAMPLERS)
# Read by OpenTelemetry itself.
env.text("OTEL_SERVICE_NAME", default="")
env.text("OTEL_RESOURCE_ATTRIBUTES", default="")
env.text("OTEL_TRACES_SAMPLER_ARG", default="")

# The first administrator, created when the database has no user of that name; there is no default.
SPOT_ADMIN_USER = env.text("SPOT_ADMIN_USER", default="")
SPOT_ADMIN_PASSWORD = env.secret("SPOT_ADMIN_PASSWORD")

# --- Redis: the store, the channel layer and Celery's broker ---------------------------------------------------------
# Without one, `make run` starts a private server on this socket.
SPOT_PRIVATE_SOCKET = whereabouts.private_socket(SPOT_HOME)
REDIS = Server(whereabouts.redis(env, SPOT_HOME))  # REDIS_URL
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # Messages reach subscribers in all databases of a Redis: the number separates two sites on one server.
        "CONFIG": {"hosts": [REDIS.async_pool], "prefix": f"spot-{REDIS.address.db}-"},
    },
}
CELERY_BROKER_URL = "gateway://redis"  # spot_project.celery_redis, which connects to REDIS
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A worker that waits for tasks notices within twice this time that its connection is dead.
    "health_check_interval": min(5, REDIS.address.options["health_check_interval"]),
    "visibility_timeout": 120,
    "global_keyprefix": f"{REDIS.key_prefix}celery:",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# A fetch ends after 22 s at the latest; a task that still runs then is stuck.
CELERY_TASK_SOFT_TIME_LIMIT = 25
CELERY_TASK_TIME_LIMIT = 28
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 2000
# A child takes 120 to 150 MB, most of it shared; one that has grown to this makes room for a new one after its task.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000  # KB
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "spot.ingest.tasks.tick", "schedule": 1.0, "options": {"expires": 1.0}},
    "alerts": {"task": "spot.alerts.tasks.watch", "schedule": 1.0, "options": {"expires": 1.0}},
    "tell_operators": {"task": "spot.alerts.tasks.tell_operators", "schedule": 20.0, "options": {"expires": 20.0}},
    "map_assets": {"task": "providers.tasks.map_assets", "schedule": 5.0, "options": {"expires": 5.0}},
    "keep_ledger": {"task": "providers.tasks.keep_ledger", "schedule": 60.0, "options": {"expires": 60.0}},
    "keep_usage": {"task": "spot.clients.tasks.keep_usage", "schedule": 60.0, "options": {"expires": 60.0}},
}
# How many beats are meant to run: a second one takes over from a first that dies, and does nothing twice meanwhile.
SPOT_BEATS = env.whole("SPOT_BEATS", default=1, least=1, most=10)
CELERY_BEAT_SCHEDULER = "spot_project.beat:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(SPOT_HOME / "beat-schedule")

# --- database --------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", SPOT_HOME / "spot.sqlite3")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a read-then-write in a deferred transaction fails at once under contention, whatever the timeout.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",  # before staticfiles: it makes runserver speak ASGI
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "providers",
    "spot",
    "spot.alerts",
    "spot.clients",
    *(["standins"] if find_spec("standins") else []),  # not in the image that runs in production
]
MIDDLEWARE = [
    "providers.admin.queue.AdminQueue",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "spot_project.urls"
ASGI_APPLICATION = "spot_project.asgi.application"
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
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["spot_project.formats"]
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("SPOT_STATIC_ROOT", default=str(SPOT_HOME / "static")))
# Brotli at its slowest over all files of the admin would take 20 s of every first start; gzip takes one.
SERVESTATIC_USE_BROTLI = False
STORAGES = {"staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"}}
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
        "frame-ancestors": ["'none'"],
    }
}
SPOT_LOG_LEVEL = env.word("SPOT_LOG_LEVEL", default="INFO", allowed=logs.LEVELS)
SPOT_LOG_FORMAT = env.word("SPOT_LOG_FORMAT", default="text", allowed=logs.FORMATS)
LOGGING = logs.config(SPOT_LOG_LEVEL, SPOT_LOG_FORMAT, secrets={*env.secrets, SECRET_KEY, *SPOT_SECRET_KEYS})
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SPOT_HTTPS
# Browsers take a `__Host-` cookie from this very host only: a neighbour below the same domain can plant none.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    ("__Host-spot-session", "__Host-spot-csrf") if SPOT_HTTPS else ("spot-session", "spot-csrf")
)
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
SECURE_SSL_REDIRECT = SPOT_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]  # health checks of the machine itself, without the proxy
SECURE_HSTS_SECONDS = 31_536_000 if SPOT_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SPOT_HTTPS
# The server decides whether a request came by HTTPS, and trusts only SPOT_TRUSTED_PROXIES; a header that Django trusted
# could be sent by any client.
SECURE_PROXY_SSL_HEADER = None
if not SPOT_HTTPS:
    # Plain HTTP on this machine is a supported way to run; the four checks ask for what SPOT_HTTPS=on switches on.
    SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]

# --- variables that no setting has read, probably misspelt (SPOT_SAMPLES is for the tests) ----------------------------
SPOT_READ = sorted(env.read)
SPOT_GIVEN = env.given()  # those that are set, without secrets
SPOT_UNREAD = sorted(
    name
    for name in os.environ
    if name.startswith("SPOT_") and name.removesuffix("_FILE") not in env.read | {"SPOT_SAMPLES"}
)
