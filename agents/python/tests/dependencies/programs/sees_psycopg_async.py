"""Prints what a program can see through psycopg under asyncio; it must see the same however it is run. Tersely written, a line for each thing to see."""

import os, asyncio, psycopg, psycopg.rows as R
dsn=os.environ["DSN"]
async def see(name, f):
    try: v=await f
    except Exception as e:
        v=(type(e).__mro__[:3], str(e), getattr(e,"sqlstate",None), getattr(getattr(e,"diag",None),"constraint_name",None))
    print(name, type(v).__name__, repr(v))
async def main():
    c=await psycopg.AsyncConnection.connect(dsn)
    cur=c.cursor(); print(type(cur).__name__, isinstance(cur, psycopg.AsyncCursor), c.info.host, c.info.server_version)
    async def ex(q, p=None, fetch=True, cur=cur, **k):
        await cur.execute(q, p, **k)
        return (cur.rowcount, cur.statusmessage, [d.name for d in cur.description or ()], await cur.fetchall() if fetch else None)
    await see("create", ex("create temp table things(id serial primary key, name text unique, doc jsonb)", fetch=False))
    await see("ins", ex("insert into things(name,doc) values(%s,%s) returning id", ("a", psycopg.types.json.Jsonb({"x":[1]}))))
    await see("ins", ex("insert into things(name) values(%(n)s)", {"n":"b"}, fetch=False))
    await see("commit", c.commit())
    await see("sel", ex("select * from things order by id")); await see("bin", ex("select * from things order by id", binary=True))
    async def many(rows):
        await cur.executemany("insert into things(name) values(%s)", rows); return cur.rowcount
    await see("many", many([("c",),("d",)])); await see("manyerr", many([("e",),("a",)])); await see("rb", c.rollback())
    await see("dup", ex("insert into things(name) values('a')")); await see("failed", ex("select 1")); await see("rb", c.rollback())
    async def it():
        await cur.execute("select id, name from things order by id"); return [r async for r in cur]
    await see("it", it())
    async def named():
        async with c.cursor("big", row_factory=R.dict_row) as n:
            await n.execute("select id, name from things order by id"); return await n.fetchone(), await n.fetchmany(1), [r async for r in n]
    await see("named", named())
    async def stream(): return [r async for r in cur.stream("select generate_series(1,4)")]
    await see("stream", stream())
    async def copy():
        async with cur.copy("copy (select id,name from things order by id) to stdout") as cp: return [r async for r in cp.rows()]
    await see("copy", copy())
    async def copyin(rows):
        async with cur.copy("copy things(name) from stdin") as cp:
            for r in rows: await cp.write_row(r)
        return cur.rowcount
    await see("copyin", copyin([("k",),("l",)])); await see("copyinerr", copyin([("m",),("k",)])); await see("rb", c.rollback())
    async def tx():
        async with c.transaction(): await c.execute("insert into things(name) values('z')")
        async with c.transaction(force_rollback=True): await c.execute("insert into things(name) values('y')")
        return (await (await c.execute("select count(*) from things")).fetchone()), c.info.transaction_status
    await see("tx", tx())
    async def pipe():
        async with c.pipeline():
            a=await c.execute("select 1"); b=await c.execute("select 2"); return await a.fetchone(), await b.fetchone()
    await see("pipe", pipe()); await see("rb", c.rollback())
    async def both(n):
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as k:
            q=await k.execute("select %s::int * 2, pg_sleep(0.01)", (n,)); return await q.fetchone()
    await see("gather", asyncio.gather(*[both(i) for i in range(8)]))
    from psycopg_pool import AsyncConnectionPool
    async with AsyncConnectionPool(dsn, min_size=1, max_size=2, open=False, check=AsyncConnectionPool.check_connection) as p:
        async def pooled():
            async with p.connection() as k: return await (await k.execute("select 9")).fetchone()
        await see("pool", pooled()); await see("pool", pooled())
    await see("refused", psycopg.AsyncConnection.connect("host=127.0.0.1 port=1 dbname=x"))
    await see("close", c.close()); await see("closed", ex("select 1"))
asyncio.run(main())
