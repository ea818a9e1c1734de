"""What a hot swap reaches: every way in which a program can hold its own code; refusals are tested elsewhere."""

import asyncio
import functools
import gc
import importlib.util
import inspect
import linecache
import os
import runpy
import subprocess
import sys
import threading
import traceback
import unittest

from swap_program import AGENT, SwapCase, swap

ONE = "def f(x):\n    return x\n"
TWO = "def f(x):\n    return x + 1\n"


class Functions(SwapCase):
    def test_a_function_and_all_who_hold_it_run_the_new_code(self):
        module = self.load(ONE)
        held, part, table = module.f, functools.partial(module.f, 5), {"f": module.f}
        result = self.swapped((module, ONE, TWO))
        self.assertEqual((module.f(1), held(1), part(), table["f"](1)), (2, 2, 6, 2))
        self.assertEqual(result["functions"], 1)
        self.assertIs(module.f, held)

    def test_undoing_puts_the_very_same_code_object_back(self):
        module = self.load(ONE)
        code, names = module.f.__code__, list(vars(module))
        self.swapped((module, ONE, TWO))
        self.restored()
        self.assertIs(module.f.__code__, code)
        self.assertEqual(names, list(vars(module)))
        self.assertEqual(swap.applied(), [])

    def test_decorated_functions_in_chains_and_registries_are_found(self):
        old = """
        import functools
        REGISTRY = {}
        def register(f):
            REGISTRY[f.__name__] = f
            return f
        def doubled(f):
            @functools.wraps(f)
            def wrapper(*args):
                return 2 * f(*args)
            return wrapper
        @register
        @doubled
        @doubled
        def work(x):
            return x
        """
        new = old.replace("return x\n", "return x + 1\n").replace("2 * f(", "3 * f(")
        module = self.load(old)
        held = module.REGISTRY["work"]
        self.swapped((module, old, new))
        self.assertEqual((held(1), module.work(1)), (18, 18))
        self.restored()
        self.assertEqual((held(1), module.work(1)), (4, 4))

    def test_methods_of_every_kind_change_on_existing_objects(self):
        old = """
        class Shelf:
            def __init__(self):
                self.books = [1]
            def count(self):
                return len(self.books)
            @staticmethod
            def static(x):
                return x
            @classmethod
            def of(cls, x):
                return x
            @property
            def size(self):
                return 1
            @size.setter
            def size(self, value):
                self.books = [value]
            def __len__(self):
                return 7
        """
        new = (old.replace("return len(self.books)", "return len(self.books) + 1").replace("return x", "return x + 1")
               .replace("return 1", "return 2").replace("[value]", "[value, value]").replace("return 7", "return 8"))
        module = self.load(old)
        shelf = module.Shelf()
        bound = shelf.count
        self.swapped((module, old, new))
        self.assertEqual((shelf.count(), bound(), shelf.static(1), shelf.of(1), shelf.size, len(shelf)), (2, 2, 2, 2, 2, 8))
        shelf.size = 5
        self.assertEqual(shelf.books, [5, 5])
        self.restored()
        self.assertEqual((bound(), shelf.size, len(shelf)), (2, 1, 7))

    def test_existing_closures_keep_their_variables_and_get_the_new_code(self):
        old = "def adder(n):\n    def add(x):\n        return x + n\n    return add\n"
        new = "def adder(n):\n    def add(x):\n        return x + n + 100\n    return add\n"
        module = self.load(old)
        add = module.adder(3)
        self.swapped((module, old, new))
        self.assertEqual((add(1), module.adder(4)(1)), (104, 105))
        later = module.adder(5)
        self.restored()
        self.assertEqual((add(1), later(1), module.adder(4)(1)), (4, 6, 5))
        self.assertIs(add.__code__, later.__code__)

    def test_an_existing_closure_that_needs_fewer_variables_is_led_to_the_new_code(self):
        old = "def outer(a, b):\n    def inner(x, *rest, k=1, **more):\n        return a + b + x + k\n    return inner\n"
        new = "def outer(a, b):\n    def inner(x, *rest, k=1, **more):\n        return b * x, rest, k, more\n    return inner\n"
        module = self.load(old)
        inner = module.outer(1, 2)
        self.swapped((module, old, new))
        self.assertEqual(inner(3, 4, k=5, z=6), (6, (4,), 5, {"z": 6}))
        self.assertEqual(swap.running(self.path(module.__name__), [("new", new.encode())]), (True, "new"))
        self.restored()
        self.assertEqual(inner(3), 7)

    def test_a_method_may_begin_to_use_super(self):
        old = """
        class Base:
            def name(self): return "base"
            async def later(self): return "base"
            def many(self): yield "base"
        class Derived(Base):
            def name(self): return "derived"
            async def later(self): return "derived"
            def many(self): yield "derived"
        """
        new = (old.replace('name(self): return "derived"', 'name(self): return super().name() + "+"')
               .replace('later(self): return "derived"', 'later(self): return (await super().later()) + "+"')
               .replace('many(self): yield "derived"', 'many(self): yield from super().many()'))
        module = self.load(old)
        thing = module.Derived()
        bound = thing.name
        self.swapped((module, old, new))
        self.assertEqual((thing.name(), bound(), list(thing.many())), ("base+", "base+", ["base"]))
        self.assertEqual(asyncio.run(thing.later()), "base+")
        self.assertTrue(inspect.iscoroutinefunction(thing.later))
        again = new.replace('name() + "+"', 'name() + "!"')
        first = self.last, self.last_files
        self.swapped((module, new, again))
        self.assertEqual(thing.name(), "base!")
        self.restored()
        self.assertEqual(thing.name(), "base+")
        swap.undo(*first)
        self.assertEqual((thing.name(), list(thing.many())), ("derived", ["derived"]))

    def test_a_method_may_cease_to_use_super(self):
        old = "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f()\n"
        new = old.replace("super().f()", "5")
        module = self.load(old)
        thing = module.B()
        self.swapped((module, old, new))
        self.assertEqual(thing.f(), 5)
        self.restored()
        self.assertEqual(thing.f(), 1)

    def test_lambdas_in_tables_and_arguments_change(self):
        old = "TABLE = {'a': lambda x: x, 'b': lambda x: x * 2}\ndef f(l):\n    return sorted(l, key=lambda v: v)\n"
        new = "TABLE = {'a': lambda x: x + 1, 'b': lambda x: x * 3}\ndef f(l):\n    return sorted(l, key=lambda v: -v)\n"
        module = self.load(old)
        a, b = module.TABLE["a"], module.TABLE["b"]
        self.swapped((module, old, new))
        self.assertEqual((a(1), b(1), module.f([1, 2])), (2, 3, [2, 1]))

    def test_defaults_change_and_unchanged_ones_keep_their_objects(self):
        old = "def f(a, seen=[], n=1, *, k=2):\n    seen.append(a)\n    return len(seen), n, k\n"
        new = old.replace("n=1", "n=10").replace("k=2", "k=20, extra=None")
        module = self.load(old)
        module.f(1)
        defaults = module.f.__defaults__
        self.swapped((module, old, new))
        self.assertEqual(module.f(1), (2, 10, 20))
        self.restored()
        self.assertEqual(module.f(1), (3, 1, 2))
        self.assertIs(module.f.__defaults__, defaults)

    def test_a_default_changes_where_the_code_shows_nothing_of_it(self):
        old = "def f(\n    x=1,\n    *, y=60 * 60\n):\n    return x, y\n"
        module = self.load(old)
        path = self.path(module.__name__)
        for new in (old.replace("x=1", "x=2"), old.replace("60 * 60", "60 * 61")):
            sources = [("old", old.encode()), ("new", new.encode())]
            before = module.f()
            self.assertEqual(swap.running(path, sources), (True, "old"))
            self.swapped((module, old, new))
            self.assertNotEqual(module.f(), before)
            self.assertEqual(swap.running(path, sources), (True, "new"))
            self.restored()
            self.assertEqual(module.f(), before)

    def test_a_mutable_default_becomes_none(self):
        old = "def f(x, items=[]):\n    items.append(x)\n    return items\n"
        new = "def f(x, items=None):\n    if items is None:\n        items = []\n    items.append(x)\n    return items\n"
        module = self.load(old)
        self.assertEqual([module.f(1), module.f(2)][1], [1, 2])
        self.swapped((module, old, new))
        self.assertEqual(module.f(3), [3])

    def test_new_optional_parameters_do_not_disturb_callers(self):
        old = "def f(a):\n    return a\ndef g():\n    return f(1)\n"
        new = "def f(a, b: int = 2, *, c=3):\n    return a + b + c\ndef g():\n    return f(1, c=4)\n"
        module = self.load(old)
        self.swapped((module, old, new))
        self.assertEqual((module.f(1), module.g(), module.f.__annotations__), (6, 7, {"b": int}))
        self.restored()
        self.assertEqual((module.f(1), module.f.__annotations__), (1, {}))

    def test_changed_annotations_change_and_come_back(self):
        old = "def f(a: int, b: str = 'x') -> int:\n    return a\n"
        new = "import typing\ndef f(a: float, b: str = 'x', c: typing.Any = None) -> float:\n    return a\n"
        module = self.load(old)
        self.swapped((module, old, new))
        self.assertEqual(list(module.f.__annotations__), ["a", "b", "c", "return"])
        self.assertIs(module.f.__annotations__["a"], float)
        self.restored()
        self.assertEqual(module.f.__annotations__, {"a": int, "b": str, "return": int})

    def test_docstrings_change_with_the_code(self):
        old = '"""M1"""\nclass C:\n    """C1"""\n    def f(self):\n        """F1"""\n'
        new = old.replace("1", "2")
        module = self.load(old)
        self.swapped((module, old, new))
        self.assertEqual((module.__doc__, module.C.__doc__, module.C.f.__doc__), ("M2", "C2", "F2"))
        self.restored()
        self.assertEqual((module.__doc__, module.C.__doc__, module.C.f.__doc__), ("M1", "C1", "F1"))


class NewNames(SwapCase):
    def test_new_imports_constants_helpers_methods_and_classes_come_with_the_code(self):
        old = """
        class Shop:
            def total(self, rows):
                return sum(rows)
        def price(x):
            return x
        """
        new = """
        import math
        from os.path import join as glue
        TAX = 1.5
        NAMES = {"a": [1, 2]}
        class Missing(LookupError):
            '''Said to clients.'''
            status = 404
            def __str__(self):
                return "missing " + super().__str__()
        async def later():
            return TAX
        def round_up(x, by=TAX, *, name="n"):
            return math.ceil(x * by)
        class Shop:
            RATE = 3
            def total(self, rows):
                if not rows:
                    raise Missing("rows")
                return self._scaled(sum(rows))
            def _scaled(self, x):
                return self.RATE * x
            @property
            def label(self):
                return "shop"
            @classmethod
            def make(cls):
                return cls()
            @staticmethod
            def plain(x):
                return x
            def __len__(self):
                return 9
            def __private(self):
                return 1
            def uses(self):
                return self.__private()
        def price(x):
            return round_up(x), glue("a", "b"), NAMES["a"]
        """
        module = self.load(old)
        shop = module.Shop()
        before, inside = dict(vars(module)), dict(vars(module.Shop))
        self.swapped((module, old, new))
        self.assertEqual(module.price(3), (5, "a/b", [1, 2]))
        self.assertEqual((shop.total([2]), shop.label, type(shop.make()), shop.plain(4), len(shop), shop.uses()),
                         (6, "shop", module.Shop, 4, 9, 1))
        with self.assertRaisesRegex(module.Missing, "missing rows"):
            shop.total([])
        self.assertEqual(module.Missing.__doc__, "Said to clients.")
        self.assertEqual(asyncio.run(module.later()), 1.5)
        self.assertEqual((module.Shop._scaled.__qualname__, module.round_up.__module__), ("Shop._scaled", module.__name__))
        self.assertEqual(swap.running(self.path(module.__name__), [("old", self.last_files[0]["old"]), ("new", self.last_files[0]["new"])]), (True, "new"))
        self.restored()
        self.assertEqual(before, dict(vars(module)))
        self.assertEqual(inside, dict(vars(module.Shop)))

    def test_several_files_may_need_each_others_new_names(self):
        one = "def f(x):\n    return x\n"
        low = self.load(one)
        two = "from %s import f\ndef g(x):\n    return f(x)\n" % low.__name__
        high = self.load(two)
        one_new = "def bound(x):\n    return min(x, 10)\n" + one
        two_new = two.replace("import f", "import f, bound").replace("f(x)\n", "f(bound(x))\n")
        self.swapped((high, two, two_new), (low, one, one_new))
        self.assertEqual(high.g(99), 10)
        self.restored()
        self.assertEqual(high.g(99), 99)
        self.assertFalse(hasattr(low, "bound") or hasattr(high, "bound"))

    def test_a_new_default_may_be_a_new_constant(self):
        old = "def f(x):\n    return x\n"
        new = "import typing\nTAX = 3\ndef f(x, rate: typing.Any = TAX):\n    return x * rate\n"
        module = self.load(old)
        self.swapped((module, old, new))
        self.assertEqual(module.f(2), 6)
        self.restored()
        self.assertEqual(module.f(2), 2)

    def test_a_removed_function_stays_for_those_who_hold_it(self):
        old = "def gone():\n    return 1\ndef f():\n    return gone()\n"
        new = "def f():\n    return 2\n"
        module = self.load(old)
        held = module.gone
        self.swapped((module, old, new))
        self.assertEqual((module.f(), held()), (2, 1))
        self.restored()
        self.assertEqual(module.f(), 1)

    def test_a_removed_override_uncovers_the_method_of_the_base(self):
        old = "class A:\n    def f(self): return 'a'\nclass B(A):\n    def f(self): return 'b'\ndef max(x): return 0\n"
        new = "class A:\n    def f(self): return 'a'\nclass B(A):\n    pass\ndef use(): return max([1, 2])\n"
        module = self.load(old)
        thing = module.B()
        self.swapped((module, old, new))
        self.assertEqual((thing.f(), module.use()), ("a", 2))
        self.restored()
        self.assertEqual((thing.f(), module.max(3)), ("b", 0))

    def test_changed_constants_reach_the_modules_that_copied_them(self):
        old = "LIMIT = 1000\nWORDS = ('a', 'b')\ndef limit():\n    return LIMIT\n"
        new = "LIMIT = 2000\nWORDS = ('a', 'b', 'c')\ndef limit():\n    return LIMIT\n"
        module = self.load(old)
        copy = self.load("from %s import LIMIT as BOUND, WORDS\ndef f():\n    return BOUND, WORDS\n" % module.__name__)
        again = self.load("from %s import BOUND\ndef f():\n    return BOUND\n" % copy.__name__)
        star = self.load("from %s import *\ndef f():\n    return LIMIT\n" % module.__name__)
        self.swapped((module, old, new))
        self.assertEqual((module.limit(), copy.f(), again.f(), star.f()), (2000, (2000, ("a", "b", "c")), 2000, 2000))
        self.restored()
        self.assertEqual((module.limit(), copy.f(), again.f(), star.f()), (1000, (1000, ("a", "b")), 1000, 1000))

    def test_a_changed_class_attribute_is_seen_by_existing_objects(self):
        old = "class A:\n    RATE = 1\n    def f(self): return self.RATE\n"
        new = old.replace("RATE = 1", "RATE = 2")
        module = self.load(old)
        thing = module.A()
        self.swapped((module, old, new))
        self.assertEqual(thing.f(), 2)
        self.restored()
        self.assertEqual(thing.f(), 1)

    def test_a_cache_forgets_what_the_old_function_answered(self):
        old = "import functools\n@functools.lru_cache(maxsize=None)\ndef f(x):\n    return x\n@functools.lru_cache(maxsize=None)\ndef keep():\n    return object()\n"
        new = old.replace("return x", "return x + 1")
        module = self.load(old)
        module.f(1)
        kept = module.keep()
        self.swapped((module, old, new))
        self.assertEqual(module.f(1), 2)
        self.assertIs(module.keep(), kept)
        self.restored()
        self.assertEqual(module.f(1), 1)


class InFlight(SwapCase):
    def test_generators_end_on_the_code_they_began_with(self):
        old = "def count(n):\n    for i in range(n):\n        yield i\n"
        new = old.replace("yield i", "yield i * 10")
        module = self.load(old)
        running = module.count(3)
        self.assertEqual(next(running), 0)
        self.swapped((module, old, new))
        self.assertEqual((list(running), list(module.count(3))), ([1, 2], [0, 10, 20]))

    def test_coroutines_end_on_the_code_they_began_with(self):
        old = "async def wait(event, n):\n    await event.wait()\n    return n\n"
        new = old.replace("return n", "return n + 1")
        module = self.load(old)

        async def scene():
            event = asyncio.Event()
            task = asyncio.ensure_future(module.wait(event, 1))
            await asyncio.sleep(0)
            self.swapped((module, old, new))
            event.set()
            return await task, await module.wait(event, 1)

        self.assertEqual(asyncio.run(scene()), (1, 2))

    def test_a_call_in_progress_still_finds_the_helper_that_undoing_takes_away(self):
        old = "def f(go, there):\n    there.set()\n    go.wait()\n    return 0\n"
        new = "def helper():\n    return 7\nclass K:\n    pass\n" + old.replace("return 0", "return helper()")
        module = self.load(old)
        self.swapped((module, old, new))
        go, there, results = threading.Event(), threading.Event(), []
        thread = threading.Thread(target=lambda: results.append(module.f(go, there)))
        thread.start()
        there.wait()
        self.restored()
        go.set()
        thread.join()
        self.assertEqual(results, [7])
        self.assertEqual(swap.running(self.path(module.__name__), [("old", old.encode())]), (True, "old"))
        self.assertFalse(hasattr(module, "helper") or hasattr(module, "K"))

    def test_a_function_made_by_code_in_flight_is_swapped_when_it_appears(self):
        old = "def outer(go, there, box):\n    there.set()\n    go.wait()\n    def inner():\n        return 1\n    box.append(inner)\n"
        new = old.replace("return 1", "return 2")
        module = self.load(old)
        go, there, box = threading.Event(), threading.Event(), []
        thread = threading.Thread(target=module.outer, args=(go, there, box))
        thread.start()
        there.wait()
        self.swapped((module, old, new))
        go.set()
        thread.join()
        self.assertEqual(swap.running(self.path(module.__name__), [("old", old.encode()), ("new", new.encode())]), (True, "new"))
        self.assertEqual(box[0](), 2)


class Mixtures(SwapCase):
    def test_a_call_in_flight_goes_on_with_the_closures_it_has_made(self):
        old = "def outer(go, there):\n    def inner(): return 1\n    there.set()\n    go.wait()\n    return inner() + 1\n"
        new = old.replace("return 1\n", "return 'one'\n").replace("inner() + 1", "inner() + '!'")
        module = self.load(old)
        go, there, results = threading.Event(), threading.Event(), []
        thread = threading.Thread(target=lambda: results.append(module.outer(go, there)))
        thread.start()
        there.wait()
        self.assertIn("call of outer in flight", self.refused((module, old, new)))
        go.set()
        thread.join()
        self.assertEqual(results, [2])
        self.swapped((module, old, new))
        self.assertEqual(module.outer(go, there), "one!")


class Places(SwapCase):
    def test_frozen_objects_are_found(self):
        module = self.load(ONE)
        gc.collect()
        gc.freeze()
        try:
            self.swapped((module, ONE, TWO))
            self.assertEqual(module.f(1), 2)
            self.assertGreater(gc.get_freeze_count(), 0)
        finally:
            gc.unfreeze()

    def test_tracebacks_show_the_new_lines_also_of_functions_that_only_moved(self):
        old = "def moved():\n    raise ValueError('here')\ndef f():\n    return 1\n"
        new = "import os\n\n\ndef f():\n    return 2\ndef moved():\n    raise ValueError('here')\n"
        module = self.load(old)
        linecache.getlines(self.path(module.__name__))
        result = self.swapped((module, old, new))
        self.assertEqual(result["functions"], 1)
        try:
            module.moved()
        except ValueError as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
        self.assertEqual((frame.lineno, frame.line), (7, "raise ValueError('here')"))
        self.restored()
        try:
            module.moved()
        except ValueError as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
        self.assertEqual((frame.lineno, frame.line), (2, "raise ValueError('here')"))

    def test_two_modules_made_from_one_file_are_both_swapped(self):
        module = self.load(ONE + "STATE = []\n")
        space = runpy.run_path(self.path(module.__name__), run_name="__elsewhere__")
        old, new = ONE + "STATE = []\n", TWO + "STATE = []\nEXTRA = 1\n"
        kept = space["f"]
        self.swapped((module, old, new))
        self.assertEqual((module.f(1), kept(1), module.EXTRA), (2, 2, 1))

    def test_a_module_outside_sys_modules_is_found(self):
        name = self.write(ONE)
        spec = importlib.util.spec_from_file_location("plugin", self.path(name))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.swapped((name, ONE, TWO))
        self.assertEqual(module.f(1), 2)

    def test_a_file_loaded_through_a_symlink_is_found(self):
        name = self.write(ONE, "real_%d" % os.getpid())
        os.symlink(self.path(name), os.path.join(self.folder, "linked_swap.py"))
        self.names.append("linked_swap")
        import linked_swap

        self.swapped((name, ONE, TWO))
        self.assertEqual(linked_swap.f(1), 2)
        self.assertTrue(linked_swap.f.__code__.co_filename.endswith("linked_swap.py"))

    def test_a_script_that_runs_in_its_own_module_is_swapped_by_its_relative_name(self):
        program = """
            import os, sys
            sys.path.insert(0, {agent!r})
            def f():
                return 1
            def main():
                from homeostasis_agent import swap
                with open(os.environ["HERE"], "rb") as file:
                    old = file.read()
                os.chdir("/")
                new = old.replace(b"return 1", b"return 2")
                print(swap.apply("s", [{{"path": os.environ["HERE"], "old": old, "new": new}}])["state"], f())
                print(swap.undo("s", [{{"path": os.environ["HERE"], "old": old, "new": new}}])["state"], f())
            if __name__ == "__main__":
                main()
        """.format(agent=AGENT)
        name = self.write(program)
        done = subprocess.run([sys.executable, os.path.basename(self.path(name))], cwd=self.folder, text=True,
                              env=dict(os.environ, HERE=self.path(name)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.stdout, "applied 2\nrestored 1\n")

    def test_generated_methods_of_dataclasses_and_namedtuples_are_left_alone(self):
        old = """
        import collections, dataclasses, typing
        Pair = collections.namedtuple("Pair", "a b")
        class Named(typing.NamedTuple):
            x: int
            def total(self): return self.x
        @dataclasses.dataclass
        class Order:
            qty: int = 1
            def total(self): return self.qty
        """
        new = old.replace("return self.x", "return self.x + 1").replace("return self.qty", "return self.qty + 1")
        module = self.load(old)
        order, named, made = module.Order(2), module.Named(2), module.Order.__init__.__code__
        self.swapped((module, old, new))
        self.assertEqual((order.total(), named.total(), module.Order(), module.Pair(1, 2).b), (3, 3, module.Order(1), 2))
        self.assertIs(module.Order.__init__.__code__, made)

    def test_bytecode_files_make_no_difference(self):
        old = ONE + "WORDS = {'x', 'y'}\ndef g(w):\n    return w in {'a', 'b', 'c', 'd'}\n"
        name = self.write(old)
        subprocess.run([sys.executable, "-m", "compileall", "-q", self.folder], check=True)
        module = __import__(name)
        self.swapped((module, old, old.replace("return x", "return -x")))
        self.assertEqual(module.f(1), -1)

    def test_source_encodings_and_line_ends_are_kept(self):
        old = "# coding: latin-1\r\ndef f():\r\n    return 'é'\r\n"
        name = self.write("")
        for text in (old,):
            with open(self.path(name), "wb") as file:
                file.write(text.encode("latin-1"))
        module = __import__(name)
        files = [{"path": self.path(name), "old": old.encode("latin-1"), "new": old.replace("é", "è").encode("latin-1")}]
        self.assertEqual(swap.apply("latin", files)["state"], "applied")
        self.assertEqual(module.f(), "è")
        self.assertEqual(swap.undo("latin", files)["state"], "restored")


class States(SwapCase):
    def test_an_unloaded_file_is_left_to_the_disk(self):
        name = self.write(ONE)
        result = self.apply((name, ONE, TWO))
        self.assertEqual((result["state"], result["ok"], result["files"][0]["sha256"]), ("not_loaded", True, None))
        self.assertEqual(self.undo()["state"], "not_loaded")
        self.assertEqual(swap.running(self.path(name), []), (False, None))

    def test_a_swap_sent_twice_is_applied_once(self):
        module = self.load(ONE)
        self.swapped((module, ONE, TWO))
        self.assertEqual(swap.apply(self.last, self.last_files)["state"], "already")
        self.restored()
        self.assertEqual(module.f(1), 1)

    def test_a_process_that_started_on_the_new_code_says_already_and_can_go_back(self):
        new = "import math\nTAX = 2\nclass Bad(ValueError):\n    pass\ndef helper(x):\n    return math.floor(x) * TAX\ndef f(x):\n    return helper(x)\n"
        module = self.load(new)
        self.assertEqual(self.apply((module, ONE, new))["state"], "already")
        self.assertEqual(module.f(1), 2)
        self.restored()
        self.assertEqual(module.f(1), 1)
        sources = [("new", new.encode()), ("old", ONE.encode())]
        self.assertEqual(swap.running(self.path(module.__name__), sources), (True, "old"))
        self.swapped((module, ONE, new))
        self.assertEqual(module.f(1), 2)
        self.assertEqual(swap.running(self.path(module.__name__), sources), (True, "new"))
        self.restored()
        self.assertEqual(module.f(1), 1)

    def test_the_running_source_is_told_from_the_code_not_from_memory(self):
        module = self.load(ONE)
        sources = [("one", ONE.encode()), ("two", TWO.encode())]
        path = self.path(module.__name__)
        self.assertEqual(swap.running(path, sources), (True, "one"))
        module.f.__code__ = compile(TWO, path, "exec").co_consts[0]
        self.assertEqual(swap.running(path, sources), (True, "two"))
        module.f.__code__ = compile(ONE.replace("x", "y"), path, "exec").co_consts[0]
        self.assertEqual(swap.running(path, sources), (True, None))

    def test_sources_that_differ_only_in_constants_or_new_names_are_told_apart(self):
        old = "LIMIT = 10\ndef f():\n    return LIMIT\n"
        module = self.load(old)
        path = self.path(module.__name__)
        for new in (old.replace("10", "20"), old + "def g():\n    pass\n", old + "import os\n", old + "class A:\n    pass\n"):
            sources = [("new", new.encode()), ("old", old.encode())]
            self.assertEqual(swap.running(path, sources), (True, "old"))
            self.swapped((module, old, new))
            self.assertEqual(swap.running(path, sources), (True, "new"))
            self.restored()
            self.assertEqual(swap.running(path, sources), (True, "old"))

    def test_an_earlier_swap_of_a_file_is_not_undone_under_a_later_one(self):
        module = self.load(ONE)
        three = TWO.replace("+ 1", "+ 2")
        self.swapped((module, ONE, TWO))
        first = self.last, self.last_files
        self.swapped((module, TWO, three))
        result = swap.undo(*first)
        self.assertEqual(result["state"], "failed")
        self.assertIn("later", result["reason"])
        self.assertEqual(module.f(1), 3)
        self.restored()
        self.assertEqual(swap.undo(*first)["state"], "restored")
        self.assertEqual(module.f(1), 1)


if __name__ == "__main__":
    unittest.main()
