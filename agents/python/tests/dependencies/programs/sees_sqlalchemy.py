"""Prints what a program can see through SQLAlchemy over both libraries; it must see the same however it is run. Tersely written, a line for each thing to see."""

import os, asyncio, datetime, sys
import sqlalchemy as sa
from sqlalchemy import orm
dsn=os.environ["DSN"]
B=orm.declarative_base()
class A(B):
    __tablename__="sa_authors"; id=sa.Column(sa.Integer, primary_key=True); name=sa.Column(sa.String, unique=True)
    meta=sa.Column(sa.JSON); born=sa.Column(sa.DateTime(timezone=True)); pay=sa.Column(sa.Numeric(10,2)); tags=sa.Column(sa.ARRAY(sa.String))
    books=orm.relationship("K", back_populates="author")
class K(B):
    __tablename__="sa_books"; id=sa.Column(sa.Integer, primary_key=True); title=sa.Column(sa.String, nullable=False)
    author_id=sa.Column(sa.ForeignKey("sa_authors.id")); author=orm.relationship(A, back_populates="books")
def see(name, f):
    try: v=f()
    except Exception as e: v=(type(e).__mro__[:2], str(e))
    print(name, repr(v))
def run(e):
    B.metadata.drop_all(e); B.metadata.create_all(e)
    print(e.dialect.server_version_info, e.dialect.default_schema_name)
    with orm.Session(e) as s:
        s.add_all([A(name="n%d"%i, meta={"a":[i]}, born=datetime.datetime(2020,1,1,tzinfo=datetime.timezone.utc), pay=i, tags=["x"]) for i in range(5)])
        s.add(K(title="t", author_id=1)); s.add(K(title="orphan")); s.commit()
    with orm.Session(e) as s:
        see("get", lambda: (lambda a:(a.name,a.meta,a.born,a.pay,a.tags,[b.title for b in a.books]))(s.get(A,1)))
        see("orphan", lambda: s.scalars(sa.select(K).where(K.title=="orphan")).one().author.name)
        see("agg", lambda: s.execute(sa.select(sa.func.sum(A.pay), sa.func.count(), sa.func.max(A.born)).where(A.id>100)).one())
        see("one", lambda: s.execute(sa.select(A).where(A.id>100)).one())
        see("flush", lambda: (s.add(A(name="n1")), s.flush())); s.rollback()
        see("null", lambda: (s.add(K()), s.flush())); s.rollback()
        see("stream", lambda: [r for r in s.execute(sa.select(A.id).order_by(A.id).execution_options(yield_per=2))])
        see("upd", lambda: s.execute(sa.update(A).where(A.id<3).values(name=A.name+"x").returning(A.name)).all()); s.rollback()
        see("del", lambda: s.execute(sa.delete(A).where(A.id==1))); s.rollback()
        see("missing", lambda: s.execute(sa.text("select * from nope")))
    with e.connect() as k: see("insp", lambda: [c["name"] for c in sa.inspect(k).get_columns("sa_books")])
    see("auto", lambda: e.connect().execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("select 3")).scalar())
    B.metadata.drop_all(e); e.dispose()
for d in ("psycopg2","psycopg"):
    run(sa.create_engine(dsn.replace("postgresql:","postgresql+%s:"%d), pool_pre_ping=True))
    run(sa.create_engine(dsn.replace("postgresql:","postgresql+%s:"%d), poolclass=sa.pool.NullPool))
async def amain():
    from sqlalchemy.ext.asyncio import create_async_engine, AsyncSession
    e=create_async_engine(dsn.replace("postgresql:","postgresql+psycopg:"), pool_pre_ping=True)
    async with e.begin() as k: await k.run_sync(B.metadata.create_all)
    async with AsyncSession(e) as s:
        s.add(A(name="q", meta={"z":1})); await s.commit()
        print((await s.execute(sa.select(A.name, A.meta))).all())
        r=await s.stream(sa.select(A.id)); print([x async for x in r])
        try: a=(await s.scalars(sa.select(A))).one(); print(a.books)
        except Exception as x: print(type(x))
    async with e.begin() as k: await k.run_sync(B.metadata.drop_all)
    await e.dispose()
asyncio.run(amain())
