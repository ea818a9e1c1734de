"""Orders from the basket to the invoice."""


def place(client, **changes):
    order = {"customer_id": 1, "items": [{"product_id": 1, "quantity": 2}], "reference": "T-1"}
    return client.post("/orders", json={**order, **changes})


def test_an_order_is_written_with_its_lines(client):
    response = place(client)
    assert response.status_code == 201
    order = client.get(f"/orders/{response.json['id']}").json
    assert order["lines"] == [{"sku": "TEA-ASSAM", "quantity": 2, "total": 1780}]
    assert order["total"] == 1780 + 490
    assert order["payment"] == "Please pay 22.70 EUR."
    assert order["delivery"] is None


def test_an_order_is_found_by_its_reference(client):
    place(client, reference="R-77")
    found = client.get("/orders?reference=R-77").json
    assert found["count"] == 1
    assert found["orders"][0]["status"] == "open"


def test_a_large_order_is_sent_for_free(client):
    assert place(client, items=[{"product_id": 3, "quantity": 1}]).json["total"] == 4900


def test_an_order_takes_its_products_from_the_shelf(client):
    place(client, items=[{"product_id": 4, "quantity": 5}])
    assert client.get("/products/4").json["stock"] == 35


def test_more_than_there_is_cannot_be_ordered(client):
    response = place(client, items=[{"product_id": 9, "quantity": 4}])
    assert response.status_code == 409
    assert client.get("/products/9").json["stock"] == 3


def test_an_empty_order_is_refused(client):
    assert place(client, items=[]).status_code == 400


def test_an_order_of_nothing_is_refused(client):
    assert place(client, items=[{"product_id": 1, "quantity": 0}]).status_code == 400


def test_an_order_needs_a_known_customer(client):
    assert place(client, customer_id=999).status_code == 400


def test_an_order_needs_known_products(client):
    assert place(client, items=[{"product_id": 999, "quantity": 1}]).status_code == 400


def test_a_coupon_lowers_the_total(client):
    response = place(client, items=[{"product_id": 3, "quantity": 1}], coupon="SPRING")
    assert response.json["total"] == 4410


def test_an_unknown_coupon_is_refused_and_nothing_is_written(client):
    assert place(client, coupon="NOPE", reference="R-1").status_code == 400
    assert client.get("/orders?reference=R-1").json["count"] == 0


def test_a_customer_is_told_about_a_new_order(client):
    place(client, reference="R-5")
    message = client.get("/customers/1/messages").json["messages"][0]
    assert message["subject"] == "Your order R-5"
    assert "2 x Assam, loose" in message["body"]


def test_a_reminder_carries_its_note(client):
    client.post("/orders/2/remind", json={"subject": "Still there?", "note": "We keep it until Friday."})
    message = client.get("/customers/2/messages").json["messages"][0]
    assert message["subject"] == "Still there?"
    assert message["body"].endswith("We keep it until Friday.")


def test_a_cancelled_order_gives_its_products_back(client):
    order = place(client, items=[{"product_id": 4, "quantity": 5}]).json["id"]
    assert client.post(f"/orders/{order}/cancel").json["status"] == "cancelled"
    assert client.get("/products/4").json["stock"] == 40


def test_a_paid_order_cannot_be_cancelled(client):
    assert client.post("/orders/1/cancel").status_code == 409


def test_a_paid_order_is_not_charged_again(client):
    assert client.post("/orders/1/pay").json == {"id": 1, "status": "paid"}


def test_a_refund_is_booked_in_full(client):
    response = client.post("/orders/1/refund", json={"amount": 1001, "reason": "dented"})
    assert response.status_code == 201
    assert response.json["refunded"] == 1001


def test_a_refund_cannot_exceed_the_order(client):
    assert client.post("/orders/1/refund", json={"amount": 99_999}).status_code == 400


def test_a_file_of_orders_is_imported(client):
    rows = "customer,sku,quantity,reference\nada@example.test,TEA-ASSAM,1,I-1\nben@example.test,POT-IRON,2,I-2\n"
    response = client.post("/orders/import", data=rows, content_type="text/csv")
    assert response.status_code == 201
    assert len(response.json["placed"]) == 2
    assert client.get("/orders?reference=I-2").json["orders"][0]["total"] == 9800


def test_a_file_with_an_unknown_product_is_refused_as_a_whole(client):
    rows = "customer,sku,quantity,reference\nada@example.test,TEA-ASSAM,1,I-1\nada@example.test,NOPE,1,I-2\n"
    assert client.post("/orders/import", data=rows, content_type="text/csv").status_code == 400
    assert client.get("/orders?reference=I-1").json["count"] == 0


def test_an_invoice_lists_what_was_bought(client):
    text = client.get("/orders/1/invoice").text
    assert "2 x Assam, loose" in text
    assert "66.80 EUR" in text
    assert "Ada Berg" in text


def test_a_shipment_has_weight_and_volume(client):
    assert client.get("/orders/1/shipment").json == {"order": 1, "country": "DE", "grams": 1160, "litres": 4.7}


def test_a_paid_order_says_when_it_was_paid(client):
    order = client.get("/orders/1").json
    assert order["payment"] == "Paid on 2024-01-16. Thank you!"
    assert order["delivery"] == "On its way to you."


def test_an_unknown_order_is_not_found(client):
    assert client.get("/orders/999").status_code == 404
