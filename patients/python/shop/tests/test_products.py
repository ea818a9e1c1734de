"""The product pages, seen from outside."""


def test_the_list_has_all_products_in_order(client):
    products = client.get("/products").json["products"]
    assert [product["id"] for product in products] == list(range(1, 10))


def test_the_list_is_cut_into_pages(client):
    products = client.get("/products?page=2&per_page=4").json["products"]
    assert [product["id"] for product in products] == [5, 6, 7, 8]


def test_the_list_can_be_narrowed_to_a_category(client):
    products = client.get("/products?category=pots").json["products"]
    assert [product["sku"] for product in products] == ["POT-IRON", "CUP-RAKU"]


def test_the_list_names_the_supplier_where_there_is_one(client):
    products = client.get("/products").json["products"]
    assert products[0]["supplier"] == "Darjeeling Direct"
    assert products[4]["supplier"] is None


def test_a_product_shows_its_supplier_and_availability(client):
    product = client.get("/products/9").json
    assert product["supplier"] == {"name": "Darjeeling Direct", "email": "orders@darjeeling.example"}
    assert product["availability"] == "low"


def test_an_unknown_product_is_not_found(client):
    response = client.get("/products/999")
    assert response.status_code == 404
    assert response.json == {"error": "no such product"}


def test_delivery_to_a_neighbour_takes_three_days(client):
    offers = client.get("/products/1/delivery?country=at").json["offers"]
    assert offers == [
        {"service": "standard", "price": 790, "days": 3},
        {"service": "express", "price": 1690, "days": 1},
    ]


def test_a_price_can_be_changed(client):
    response = client.post("/products/2/price", data={"price": "13.99"})
    assert response.json == {"id": 2, "price": 1399}
    assert client.get("/products/2").json["price"] == 1399


def test_a_negative_price_is_refused(client):
    response = client.post("/products/2/price", data={"price": "-1"})
    assert response.status_code == 400
    assert client.get("/products/2").json["price"] == 1250


def test_a_price_form_without_a_price_is_refused(client):
    assert client.post("/products/2/price", data={}).status_code == 400


def test_reviews_have_an_average(client):
    reviews = client.get("/products/1/reviews").json
    assert reviews["average"] == 4.5
    assert [review["author"] for review in reviews["reviews"]] == ["Eva", "Ben"]


def test_a_review_is_kept(client):
    review = {"author": "Chloe", "rating": 5, "text": "Wonderful."}
    assert client.post("/products/2/reviews", json=review).status_code == 201
    assert client.get("/products/2/reviews").json["reviews"][0] == review


def test_a_rating_beyond_the_scale_is_refused(client):
    response = client.post("/products/2/reviews", json={"rating": 6})
    assert response.status_code == 400
    assert "rating" in response.json["error"]


def test_low_stock_is_listed(client):
    assert client.get("/stock/low").json == {"products": [{"sku": "TEA-PUERH", "status": "low"}]}


def test_the_shop_is_healthy(client):
    assert client.get("/health").json == {"status": "ok"}
