"""Customers, their summaries and their messages."""


def test_a_customer_can_register(client):
    response = client.post("/customers", json={"name": "Finn", "email": " Finn@Example.Test "})
    assert response.status_code == 201
    shown = client.get(f"/customers/{response.json['id']}").json
    assert (shown["name"], shown["email"], shown["country"]) == ("Finn", "finn@example.test", "DE")


def test_an_address_can_be_used_once(client):
    response = client.post("/customers", json={"name": "Ada", "email": "ada@example.test"})
    assert response.status_code == 409


def test_a_customer_needs_a_name(client):
    response = client.post("/customers", json={"email": "x@example.test"})
    assert response.status_code == 400
    assert "name" in response.json["error"]


def test_an_unknown_customer_is_not_found(client):
    assert client.get("/customers/999").status_code == 404


def test_orders_of_a_customer_are_newest_first(client):
    orders = client.get("/customers/1/orders").json["orders"]
    assert [order["id"] for order in orders] == [3, 1]


def test_a_summary_adds_up(client):
    summary = client.get("/customers/1/summary").json
    assert summary["orders"] == 2
    assert summary["spent"] == 6680 + 4410
    assert summary["favourite"] in ("Assam, loose", "Iron teapot")
    assert summary["latest_order"] == {"id": 3, "status": "paid", "day": "2024-02-20"}


def test_a_greeting_follows_the_first_language_we_speak(client):
    response = client.get("/customers/3/greeting", headers={"Accept-Language": "it, fr;q=0.8, en;q=0.5"})
    assert response.json == {"text": "Bienvenue, Chloe Martin!"}


def test_a_greeting_is_english_when_we_speak_none_of_them(client):
    response = client.get("/customers/3/greeting", headers={"Accept-Language": "it"})
    assert response.json == {"text": "Welcome, Chloe Martin!"}
