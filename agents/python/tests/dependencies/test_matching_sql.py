"""Which questions to a database are the same, once secrets in the recorded one are hidden."""

from homeostasis_agent.dependencies import matching, sql


def question(statement, parameters, answer=None):
    asked = sql.described_question(("psycopg2", "db", statement, parameters))
    return dict(asked, kind="sql", answer=answer or {"columns": [["id", None]], "rows": [], "complete": True})


def alike(statement, recorded, asked):
    return sql.alike(question(statement, recorded), question(statement, asked))


def test_a_short_value_is_not_taken_for_a_hidden_one():
    statement = "SELECT * FROM articles WHERE sku = %s"
    assert alike(statement, ("x",), ("m",)) == matching.NOT
    assert alike(statement, ("0",), ("5",)) == matching.NOT
    assert sql.alike(question("SELECT * FROM t WHERE a = 'x'", None), question("SELECT * FROM t WHERE a = 'm'", None)) == matching.NOT


def test_a_short_secret_is_known_by_its_column():
    assert alike("SELECT * FROM users WHERE password = %s", ("xxx0",), ("abc1",)) == matching.MASKED
    assert alike("SELECT * FROM users WHERE password = %(given)s", {"given": "xxx0"}, {"given": "abc1"}) == matching.MASKED


def test_a_long_hidden_text_is_known_by_its_form():
    assert alike("SELECT * FROM carts WHERE owner = %s", ("xxxxx-0000-xxxx",), ("abcde-1234-fghi",)) == matching.MASKED
    assert alike("SELECT * FROM carts WHERE owner = %s", ("xxxxx-0000-xxxx",), ("abcde-1234-fgh",)) == matching.NOT
