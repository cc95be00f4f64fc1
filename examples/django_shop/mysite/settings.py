import os
from pathlib import Path

SECRET_KEY = "an example has no secrets"
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
ROOT_URLCONF = "mysite.urls"
INSTALLED_APPS = ["upnext.django", "orders"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", Path(__file__).parents[1] / "shop.db"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TASKS = {"default": {"BACKEND": "upnext.django.tasks.UpnextBackend", "OPTIONS": {"outbox": True, "retries": 3}}}
