"""Values of libraries are captured with what they hold and without running a method of theirs that could load, connect or compute."""

import datetime
import decimal
import typing

import pytest
from homeostasis_agent import calls, replay_calls, values


def value(thing, depth=values.MAX_DEPTH):
    budget = values.Budget()
    budget.next_name()
    return values.captured(thing, budget, depth)


def text(thing):
    return {"t": "str", "v": thing, "len": len(thing)}


def integer(thing):
    return {"t": "int", "v": str(thing)}


def again(thing):
    return replay_calls.made(calls.faithful(thing, values.Budget(10000)))


# pydantic, attrs and dataclasses

pydantic = pytest.importorskip("pydantic")
pydantic_v1 = pytest.importorskip("pydantic.v1")
attrs = pytest.importorskip("attrs")


class Line(pydantic.BaseModel):
    model_config = {"extra": "allow"}
    sku: str
    price: decimal.Decimal
    note: typing.Optional[str] = None
    _seen: int = pydantic.PrivateAttr(0)


class OldLine(pydantic_v1.BaseModel):
    sku: str
    price: decimal.Decimal = decimal.Decimal(1)


@attrs.define
class Slotted:
    sku: str
    tags: list


@attrs.frozen
class Frozen:
    sku: str


def test_models_of_pydantic_have_their_fields_and_are_made_again():
    line = Line(sku="pear", price="1.50", colour="red")
    fields = value(line)["fields"]
    assert fields["sku"] == text("pear") and fields["price"]["text"] == "1.50"
    assert not any(name.startswith("__") for name in fields)
    made = again(line)
    assert made == line and made.model_dump() == line.model_dump() and made.model_fields_set == line.model_fields_set
    old = OldLine(sku="pear")
    assert value(old)["fields"]["sku"] == text("pear")
    assert again(old) == old and again(old).dict(exclude_unset=True) == {"sku": "pear"}


def test_classes_of_attrs_have_their_fields_and_are_made_again():
    slotted = Slotted("pear", ["a"])
    assert value(slotted)["fields"]["sku"] == text("pear")
    assert again(slotted) == slotted and again(Frozen("x")) == Frozen("x")


# SQLAlchemy

sqlalchemy = pytest.importorskip("sqlalchemy")
orm = pytest.importorskip("sqlalchemy.orm")


class Base(orm.DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    sku: orm.Mapped[str]
    remark: orm.Mapped[str] = orm.mapped_column(deferred=True)
    parts: orm.Mapped[typing.List["Part"]] = orm.relationship()


class Part(Base):
    __tablename__ = "parts"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    order_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.ForeignKey("orders.id"))


@pytest.fixture
def session():
    """A session whose statements are counted."""
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Order(id=1, sku="pear", remark="ripe", parts=[Part(id=2)]))
        session.commit()
        session.statements = []
        sqlalchemy.event.listen(engine, "before_cursor_execute", lambda *told: session.statements.append(told[2]))
        yield session


def test_an_object_of_the_mapper_shows_what_is_loaded_and_loads_nothing(session):
    order = session.get(Order, 1)
    asked = len(session.statements)
    told = value(order)
    assert told["fields"]["sku"] == text("pear")
    assert "remark" not in told["fields"] and "parts" not in told["fields"]
    assert told["fields"]["_sa_instance_state"]["t"] == "cut"
    assert len(session.statements) == asked
    assert len(order.parts) == 1
    parts = value(order)["fields"]["parts"]
    assert parts["len"] == 1 and parts["content"]["items"][0]["fields"]["id"] == integer(2)
    session.expire(order)
    asked = len(session.statements)
    assert set(value(order)["fields"]) == {"_sa_instance_state"}
    assert len(session.statements) == asked


def test_an_object_of_the_mapper_is_not_made_again(session):
    with pytest.raises(calls.Unfaithful):
        calls.faithful(session.get(Order, 1), values.Budget())


def test_a_row_shows_its_columns_by_name(session):
    row = session.execute(sqlalchemy.text("SELECT id, sku AS name FROM orders")).one()
    told = value(row)
    assert told["fields"] == {"id": integer(1), "name": text("pear")} and told["len"] == 2
    assert value([row])["items"][0]["fields"]["name"] == text("pear")


# Django


def test_a_model_of_django_shows_what_is_loaded_and_loads_nothing():
    django = pytest.importorskip("django")
    from django.conf import settings

    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}, INSTALLED_APPS=[])
    django.setup()
    from django.db import connection, models

    class Shop(models.Model):
        name = models.CharField(max_length=9)

        class Meta:
            app_label = "shops"

    class Article(models.Model):
        sku = models.CharField(max_length=9)
        shop = models.ForeignKey(Shop, on_delete=models.CASCADE)

        class Meta:
            app_label = "shops"

    with connection.schema_editor() as editor:
        editor.create_model(Shop)
        editor.create_model(Article)
    Article.objects.create(sku="pear", shop=Shop.objects.create(name="one"))
    article = Article.objects.defer("sku").get()
    asked = []
    with connection.execute_wrapper(lambda execute, *told: asked.append(told) or execute(*told)):
        fields = value(article)["fields"]
        query = value(Article.objects.all())
        assert asked == []
        assert article.sku == "pear" and len(asked) == 1
    assert fields["id"] == integer(1) and fields["shop_id"] == integer(1) and "sku" not in fields
    assert query["t"] == "object"
    assert value(article)["fields"]["sku"] == text("pear")


# numpy and pandas

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")


def test_an_array_has_type_shape_and_first_elements():
    told = value(numpy.arange(200, dtype="int32").reshape(20, 10))
    assert told["fields"] == {"dtype": text("<i4"), "shape": {"t": "tuple", "items": [integer(20), integer(10)], "len": 2}}
    assert told["len"] == told["content"]["len"] == 200
    assert told["content"]["items"] == [integer(number) for number in range(50)]
    assert value(numpy.array([1.5, float("nan")]))["content"]["items"][1] == {"t": "float", "v": "nan"}
    assert value(numpy.array("2024-02-03", dtype="datetime64[D]"))["content"]["items"][0]["text"] == "2024-02-03"
    assert value(numpy.float64(1.5))["content"] == {"t": "float", "v": "1.5"}
    assert value(numpy.int8(3))["content"] == integer(3)
    # Every second element, backwards: no copy is made of it.
    assert value(numpy.arange(10)[::-2])["content"]["items"][0] == integer(9)


def test_a_subclass_of_an_array_is_read_without_its_own_methods():
    class Hostile(numpy.ndarray):
        def _ran(self, *arguments, **named):
            raise AssertionError("the program's own code ran")

        __getitem__ = __iter__ = __len__ = __array__ = __repr__ = __reduce__ = tolist = item = _ran
        dtype = shape = property(_ran)

    thing = numpy.ndarray.__new__(Hostile, (3,))
    Hostile.__array_finalize__ = Hostile._ran
    assert value(thing)["t"] in ("object", "cut")
    holding = numpy.array([object.__new__(type("Strange", (), {"__repr__": Hostile._ran, "__len__": Hostile._ran}))])
    assert value(holding)["content"]["items"][0]["t"] == "object"


def test_arrays_are_made_again():
    for thing in (numpy.arange(6, dtype="float32").reshape(2, 3), numpy.array(["a", "bc"]), numpy.array([True]), numpy.zeros((0, 3))):
        made = again(thing)
        assert made.dtype == thing.dtype and made.shape == thing.shape and (made == thing).all()
        made[...] = made
    for thing in (numpy.array([object()]), numpy.zeros(10**6)):
        with pytest.raises(calls.Unfaithful):
            calls.faithful(thing, values.Budget())


def test_a_table_has_shape_columns_types_and_head():
    frame = pandas.DataFrame({"sku": ["a", "b", None] * 10, "price": [1.5, 2.0, 3.0] * 10, "count": range(30)})
    told = value(frame)
    assert told["len"] == 30
    fields = told["fields"]
    assert fields["shape"]["items"] == [integer(30), integer(3)]
    assert fields["columns"]["items"] == [text("sku"), text("price"), text("count")]
    head = {key["v"]: item["items"] for key, item in fields["head"]["items"]}
    assert head["price"] == [{"t": "float", "v": number} for number in ("1.5", "2.0", "3.0", "1.5", "2.0")]
    assert head["count"] == [integer(number) for number in range(5)]
    assert head["sku"][:2] == [text("a"), text("b")]
    types = {key["v"]: item["v"] for key, item in fields["dtypes"]["items"]}
    assert types["price"] == "<f8" and types["count"] == "<i8"
    fields = value(frame["count"])["fields"]
    assert fields["name"] == text("count") and fields["head"]["items"] == [integer(number) for number in range(5)]
    assert value(frame[frame["price"] > 9])["len"] == 0
    assert value(pandas.DataFrame())["t"] == "object"
    assert value(frame.set_index("sku").groupby("sku").sum())["t"] == "object"


def test_a_table_under_a_secret_name_of_a_column_is_hidden():
    from homeostasis_agent import redact

    frame = pandas.DataFrame({"password": ["correct horse"], "b": [1]})
    work = redact.Pass()
    assert "correct horse" not in str(redact._value(value(frame), "frame", "place", work))


# werkzeug


def test_what_a_form_or_header_holds_is_there():
    from werkzeug.datastructures import Headers, MultiDict

    told = value(MultiDict([("a", "1"), ("a", "2")]))
    assert told["content"]["items"] == [[text("a"), {"t": "list", "items": [text("1"), text("2")], "len": 2}]]
    assert again(MultiDict([("a", "1"), ("a", "2")])) == MultiDict([("a", "1"), ("a", "2")])
    pairs = value(Headers([("A", "b")]))["fields"]["_list"]["items"]
    assert pairs[0]["items"] == [text("A"), text("b")]


def test_a_time_of_pandas_is_a_time():
    told = value(pandas.Timestamp("2024-02-03T04:05:06"))
    assert told["t"] == "object" and told["class"].endswith("Timestamp")
    assert told["content"] == {"t": "other", "class": "datetime.datetime", "text": datetime.datetime(2024, 2, 3, 4, 5, 6).isoformat()}
