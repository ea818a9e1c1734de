"""Settings of the library: PostgreSQL for what it lends, SQLite for its catalogue of maps."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "library.urls"
WSGI_APPLICATION = "library.wsgi.application"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "books"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "books.middleware.BranchMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "library", "USER": "postgres", "HOST": "127.0.0.1",
        "PORT": os.environ["DATABASE_PORT"], "PASSWORD": os.environ["DATABASE_PASSWORD"],
    },
    "maps": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "maps.db"},
}
