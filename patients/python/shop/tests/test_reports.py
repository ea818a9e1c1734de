"""Reports and the arithmetic behind them."""

import pytest

from shop import pricing


def test_sales_of_a_month_are_summed(client):
    report = client.get("/reports/sales?from=2024-02-01&to=2024-02-29").json
    assert report == {"orders": 2, "total": 1250 + 4410, "average": 2830}


def test_sales_of_a_quiet_month_are_zero(client):
    report = client.get("/reports/sales?from=2024-06-01&to=2024-06-30").json
    assert report == {"orders": 0, "total": 0, "average": 0}


def test_sales_can_be_exported(client):
    text = client.get("/reports/sales.csv?from=2024-01-01&to=2024-01-31&currency=EUR").text
    assert text.splitlines() == ["order,day,total (EUR)", "1,2024-01-15,66.80 EUR"]


def test_the_ledger_of_a_day_balances(client):
    ledger = client.get("/reports/ledger/2024-01-15").json
    assert ledger == {"day": "2024-01-15", "gross": 6680, "net": 5782, "tax": 898}


def test_the_ledger_needs_a_date(client):
    assert client.get("/reports/ledger/yesterday").status_code == 400


@pytest.mark.parametrize(
    "cents, text", [(0, "0.00 EUR"), (5, "0.05 EUR"), (123456, "1234.56 EUR"), (-250, "-2.50 EUR")]
)
def test_prices_are_written_with_two_digits(cents, text):
    assert pricing.format_price(cents, "EUR") == text


@pytest.mark.parametrize("amount, tax", [(0, 0), (1190, 190), (890, 142), (1, 0)])
def test_the_standard_tax_is_contained_in_the_price(amount, tax):
    assert pricing.tax_included(amount, "standard") == tax


def test_a_split_loses_no_cent():
    assert pricing.split(100, [1, 1, 1]) == [34, 33, 33]
