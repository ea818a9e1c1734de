"""Prints what a program can see through psycopg and its pool; it must see the same however it is run. Tersely written, a line for each thing to see."""

import os, io, uuid, decimal, datetime, ipaddress, dataclasses
import psycopg, psycopg.rows as R, psycopg.sql as S
from psycopg.types.json import Json, Jsonb
from psycopg.types import TypeInfo
from psycopg.types.range import Range
dsn=os.environ["DSN"]
def see(name, f):
    try: v=f()
    except Exception as e:
        v=(type(e).__mro__[:3], str(e), getattr(e,"sqlstate",None), getattr(getattr(e,"diag",None),"constraint_name",None), getattr(getattr(e,"diag",None),"message_detail",None))
    print(name, type(v).__name__, repr(v))
c=psycopg.connect(dsn)
see("info", lambda: (c.info.host,c.info.port,c.info.dbname,c.info.user,c.info.password,c.info.server_version,c.info.transaction_status,c.info.status,c.info.encoding,c.info.timezone, c.info.vendor,c.info.parameter_status("TimeZone")))
see("dsn", lambda: [x for x in sorted(c.info.dsn.split()) if not x.startswith('hostaddr')])
see("closed", lambda: (c.closed, c.broken, c.autocommit, c.isolation_level))
cur=c.cursor()
see("curclass", lambda:(type(cur).__name__, type(cur) is psycopg.Cursor, isinstance(cur, psycopg.Cursor)))
see("drop", lambda: cur.execute("drop table if exists things; create table things(id serial primary key, name text unique, price numeric, weight float8, tags text[], doc jsonb, at timestamptz, day date, raw bytea, uid uuid, span interval, rng int4range, flag bool, ip inet, ids int[])").statusmessage)
see("ins", lambda: cur.execute("insert into things(name,price,weight,tags,doc,at,day,raw,uid,span,rng,flag,ip,ids) values (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s) returning id,name",
  ("a", decimal.Decimal("1.50"), 0.1, ["x",None,"y"], Json({"a":[1,{"b":None}]}), datetime.datetime(2024,5,1,12,0,tzinfo=datetime.timezone.utc), datetime.date(2024,1,1), b"\x00\xff", uuid.UUID("12345678-1234-5678-1234-567812345678"), datetime.timedelta(days=-1,seconds=5), Range(1,5), True, "10.0.0.1", [1,2])).fetchone())
see("st", lambda: (c.info.transaction_status, cur.rowcount, cur.statusmessage, cur.rownumber))
see("commit", c.commit)
see("st", lambda: c.info.transaction_status)
see("sel", lambda: cur.execute("select * from things where id=%(id)s", {"id":1}).rowcount)
see("desc", lambda: [(d.name,d.type_code,d.display_size, d.type_display) for d in cur.description])
row=cur.fetchall()[0]
for cell in row: see("cell", lambda: cell)
see("arith", lambda: row[6]+datetime.timedelta(days=200))
see("bin", lambda: cur.execute("select id, weight, price, at, tags from things where id=%s", (1,), binary=True).fetchall())
see("dup", lambda: cur.execute("insert into things(name) values('a')"))
see("infailed", lambda: cur.execute("select 1 as one"))
see("st", lambda: c.info.transaction_status); c.rollback()
see("missing table", lambda: cur.execute("select * from nothing where a=%s", (1,))); c.rollback()
see("adapt", lambda: cur.execute("select %s", (object(),)))
see("few", lambda: cur.execute("select %s, %s", (1,)))
see("nofetch", lambda: cur.execute("set local work_mem='5MB'").fetchone())
see("many", lambda: (cur.executemany("insert into things(name,price) values(%s,%s)", [("b",1),("c",2),("d",None)]), cur.rowcount, cur.statusmessage))
see("manygen", lambda: (cur.executemany("insert into things(name,price) values(%s,%s)", ((x,1) for x in ["e","f"])), cur.rowcount))
see("manyerr", lambda: cur.executemany("insert into things(name,price) values(%s,%s)", [("g",1),("b",2)]))
c.rollback()
see("many", lambda: (cur.executemany("insert into things(name,price) values(%s,%s)", [("b",1),("c",2),("d",None)]), cur.rowcount, c.commit()))
for i in range(8): see("rep", lambda: cur.execute("select name, price from things where id > %s order by id", (0,)).fetchone())
see("repeated insert", lambda: [cur.execute("insert into things(name) values(%s) returning id", ("r%d"%i,)).fetchone() for i in range(7)])
see("it", lambda: (cur.execute("select id,name,price from things order by id"), list(cur)[:3], cur.rowcount, cur.rownumber)[1:])
see("fm", lambda: (cur.execute("select id,name,price from things order by id"), cur.fetchmany(2), cur.rownumber, cur.fetchone(), cur.fetchmany(), cur.fetchall()[:2], cur.rowcount)[1:])
@dataclasses.dataclass
class Thing:
    id: int; name: str
for f in (R.dict_row, R.namedtuple_row, R.class_row(Thing), R.args_row(lambda *a: a), R.kwargs_row(lambda **k: k)):
    k=c.cursor(row_factory=f)
    see("factory", lambda: (k.execute("select id,name from things order by id limit 5"), k.fetchone(), k.fetchmany(1), [r for r in k])[1:])
k=c.cursor(row_factory=R.scalar_row); see("scalar", lambda: k.execute("select count(*) from things").fetchone())
k=c.cursor(); k.execute("select id,doc from things order by id limit 2"); k.row_factory=R.dict_row; see("late", lambda: k.fetchall())
with c.cursor("big") as n:
    see("named", lambda: (n.execute("select id,name from things where id > %s order by id",(0,)), n.description, n.rowcount)[1:])
    see("n1", lambda: (n.fetchone(), n.fetchmany(2), n.rowcount))
    see("n2", lambda: [r for r in n]); see("n3", lambda: n.fetchone())
with c.cursor("failing") as n:
    see("nf", lambda: (n.execute("select 6 / (4 - n) from generate_series(1, 9) n"), n.fetchmany(2), n.fetchone(), n.fetchall())[1:]); c.rollback()
see("infinity", lambda: cur.execute("select 1, 'infinity'::date").fetchone())
see("infinities", lambda: cur.execute("select 1, 'infinity'::date").fetchall())
see("client", lambda: psycopg.ClientCursor(c).execute("select %s, name from things order by id limit 1", ("o'x",)).fetchone())
see("mog", lambda: psycopg.ClientCursor(c).mogrify("select %s", ("o'x",)))
see("raw", lambda: psycopg.RawCursor(c).execute("select $1::int, name from things order by id limit 1", (5,)).fetchone())
see("stream", lambda: list(cur.stream("select id, name from things order by id")))
def co():
    with cur.copy("copy (select id,name from things order by id limit 3) to stdout") as cp: return b"".join(bytes(x) for x in cp)
see("copyout", co)
def cr():
    with cur.copy("copy (select id,name from things order by id limit 3) to stdout") as cp:
        cp.set_types(["int4","text"]); return list(cp.rows())
see("copyrows", cr); see("st", lambda: (cur.rowcount, cur.statusmessage))
def ci(v):
    with cur.copy("copy things (name,price) from stdin") as cp:
        for r in v: cp.write_row(r)
    return cur.rowcount, cur.statusmessage
see("copyin", lambda: ci([("m1",1),("m2",2)]))
see("copyinerr", lambda: ci([("m3",1),("m1",2)])); c.rollback()
see("sql", lambda: cur.execute(S.SQL("select {} from {} order by 1 limit 1").format(S.Identifier("name"), S.Identifier("things"))).fetchall())
def tx(bad):
    with c.transaction():
        cur.execute("insert into things(name) values(%s)", ("t",))
        if bad: raise psycopg.Rollback()
    return c.info.transaction_status
see("tx", lambda: tx(False)); see("tx", lambda: tx(False)); see("txr", lambda: tx(True)); c.rollback()
cur.execute("drop table if exists d; create table d(id int primary key, r int references d deferrable initially deferred)"); c.commit()
see("deferred2", lambda: cur.execute("insert into d values(1,99)").statusmessage)
see("commit fails", lambda: c.commit()); see("st", lambda: c.info.transaction_status)
def tx2():
    with c.transaction(): cur.execute("insert into d values(1,98)")
see("tx fails", tx2)
cur.execute("drop table d"); c.commit()
c.autocommit=True
see("auto", lambda: cur.execute("select count(*), sum(price), avg(price) from things where id<0").fetchone())
see("hstore", lambda: TypeInfo.fetch(c, "hstore")); see("ti", lambda: TypeInfo.fetch(c, "int4").array_oid)
c.autocommit=False
def pipe():
    with c.pipeline():
        a=c.execute("select name from things order by id limit 1"); b=c.execute("select count(*) from things where id<0")
        return a.fetchone(), b.fetchone()
see("pipe", pipe)
def pipe2():
    with c.pipeline():
        a=c.execute("select name from things order by id limit 1"); b=c.execute("select 1/(count(*)-count(*)) from things")
    return a.fetchone()
see("pipe2", pipe2); c.rollback()
see("multi", lambda: (cur.execute("select 1; select 2").fetchall(), cur.nextset()) if 0 else None)
see("empty", lambda: cur.execute("").statusmessage)
with psycopg.connect(dsn, row_factory=R.dict_row, autocommit=True) as c5: see("c5", lambda: c5.execute("select 5 as five").fetchone())
see("closed", lambda: (c5.closed, c5.execute("select 1")))
see("refused", lambda: psycopg.connect("host=127.0.0.1 port=1 dbname=x user=y password=abcdefghi"))
from psycopg_pool import ConnectionPool
with ConnectionPool(dsn, min_size=1, max_size=2, check=ConnectionPool.check_connection) as p:
    def pooled():
        with p.connection() as k: return k.execute("select name from things order by id limit 2").fetchall()
    see("pool", pooled); see("pool", pooled)
with ConnectionPool("host=127.0.0.1 port=1 dbname=x", min_size=1, max_size=2, timeout=0.3, open=True, name="bad") as p:
    see("badpool", lambda: p.getconn())
k3=psycopg.connect(dsn); q3=k3.cursor(); q3.execute("select pg_backend_pid()"); pid=q3.fetchone()[0]
kill=psycopg.connect(dsn, autocommit=True); kill.execute("select pg_terminate_backend(%s)", (pid,))
see("killed", lambda: q3.execute("select 77")); see("killed closed", lambda: (k3.closed, k3.broken)); see("again", lambda: q3.execute("select 78"))
see("fin", lambda: (cur.execute("drop table things").statusmessage, c.commit()))
