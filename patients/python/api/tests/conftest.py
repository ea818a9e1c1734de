"""A fresh greenhouse with its own database for each test; nothing here reaches the network."""

import pytest
from fastapi.testclient import TestClient

from api import create_app


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("API_DATA", str(tmp_path))
    with TestClient(create_app()) as client:
        yield client
