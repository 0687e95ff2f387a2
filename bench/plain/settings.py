"""A Django project with Channels and nothing else, as tutorials begin one."""

import os

SECRET_KEY = "bench"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["daphne", "channels"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.gzip.GZipMiddleware"]
ASGI_APPLICATION = "bench.plain.asgi.application"
ROOT_URLCONF = "bench.plain.urls"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Tutorials write the address alone. With redis-py 8 that refuses part of 1,000 clients that connect at once (a
        # pool of 100 connections) and breaks idle ones (a time-out of 5 s): those two are mended here, to its favour.
        "CONFIG": {
            "capacity": 10_000,  # of the usual 100 messages, those beyond would be dropped
            "hosts": [{"address": os.environ["BENCH_REDIS"], "max_connections": 20_000, "socket_timeout": None}],
        },
    }
}
