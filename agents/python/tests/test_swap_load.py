"""The hot swap while threads hammer the code, and two hundred times over: no error, no mixture, no leak; what it reaches is tested elsewhere."""

import gc
import operator
import sys
import threading
import unittest
import weakref

from swap_program import SwapCase, swap

OLD = """
import functools

def tagged(f):
    @functools.wraps(f)
    def wrapper(*args):
        return ("old",) + f(*args)
    return wrapper

class Base:
    def name(self):
        return "old"

class Worker(Base):
    def name(self):
        return "old"
    def parts(self):
        for part in ("old", "old"):
            yield part

@tagged
def handle(values):
    add = lambda v: (v, "old")
    def inner(v):
        return add(v)
    return tuple(inner(v)[1] for v in values)

def whole(a=("old",)):
    return a[0]
"""

NEW = """
import functools
import operator

WORD = "new"

class Odd(ValueError):
    pass

def word():
    return WORD

def tagged(f):
    @functools.wraps(f)
    def wrapper(*args):
        return (word(),) + f(*args)
    return wrapper

class Base:
    def name(self):
        return word()

class Worker(Base):
    def name(self):
        return super().name()
    def parts(self):
        for part in (self._one(), self._one()):
            yield part
    def _one(self):
        return word()

@tagged
def handle(values):
    second = word()
    add = lambda v: (v, second)
    def inner(v):
        return operator.itemgetter(0, 1)(add(v))
    return tuple(inner(v)[1] for v in values)

def whole(a=("new",)):
    return a[0]
"""


class Load(SwapCase):
    def test_threads_never_see_an_error_during_fifty_swaps(self):
        module = self.load(OLD)
        worker = module.Worker()
        errors, calls, stop = [], [0], threading.Event()

        def hammer():
            while not stop.is_set():
                try:
                    handled = module.handle([1, 2, 3])
                    assert set(handled) <= {"old", "new"} and len(handled) == 4, handled
                    assert len(set(handled[1:])) == 1, handled
                    assert worker.name() in ("old", "new")
                    assert len(set(worker.parts())) == 1
                    assert module.whole() in ("old", "new")
                    calls[0] += 1
                except BaseException as error:
                    errors.append(repr(error))

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0005)
        for thread in threads:
            thread.start()
        refusals = []
        try:
            for _ in range(50):
                result = self.apply((module, OLD, NEW))
                if result["state"] == "refused":
                    # A closure in use at every look: refused as a whole is right, and nothing may have changed.
                    refusals.append(result["reason"])
                    continue
                self.assertEqual((result["state"], result["reason"]), ("applied", ""))
                self.assertEqual(worker.name(), "new")
                result = self.undo()
                self.assertEqual((result["state"], result["reason"]), ("restored", ""))
                self.assertEqual(worker.name(), "old")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            sys.setswitchinterval(interval)
        self.assertEqual(errors[:3], [])
        self.assertGreater(calls[0], 100)
        self.assertLess(len(refusals), 25, refusals[:1])

    def test_no_thread_ever_sees_half_of_a_swap(self):
        """Another thread reads, in one call into C, what all functions of two files run: old or new, never some of each."""
        text = "".join("def f%d(): return 'old'\n" % number for number in range(40))
        one, other = self.load(text), self.load(text)
        functions = [getattr(module, "f%d" % number) for module in (one, other) for number in range(40)]
        read = operator.attrgetter("__code__.co_consts")
        seen, stop = set(), threading.Event()

        def watch():
            while not stop.is_set():
                seen.add(frozenset(map(read, functions)))

        thread = threading.Thread(target=watch)
        thread.start()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0001)
        try:
            for _ in range(20):
                self.swapped((one, text, text.replace("old", "new")), (other, text, text.replace("old", "new")))
                self.restored()
        finally:
            sys.setswitchinterval(interval)
            stop.set()
            thread.join()
        self.assertEqual({len(kinds) for kinds in seen}, {1})
        self.assertEqual(len(seen), 2)

    def test_searching_disturbs_no_thread_that_fills_a_tuple(self):
        """The collector shows tuples that are still being filled; one more reference to such a one is an error there."""
        module = self.load("def f(): return 1\n")
        errors, stop = [], threading.Event()

        def fill():
            while not stop.is_set():
                try:
                    tuple(map(lambda value: value + 1, [1, 2]))
                except SystemError as error:
                    errors.append(repr(error))

        threads = [threading.Thread(target=fill) for _ in range(3)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0005)
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                swap.running(self.path(module.__name__), [("one", b"def f(): return 1\n")])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            sys.setswitchinterval(interval)
        self.assertEqual(errors, [])


class Memory(SwapCase):
    def test_two_hundred_swaps_and_undos_leave_nothing_behind(self):
        module = self.load(OLD)
        before = dict(vars(module))

        def count():
            gc.collect()
            objects = gc.get_objects()
            functions = [one for one in objects if type(one) is type(count)]
            return len(functions), len(objects)

        for _ in range(5):
            self.swapped((module, OLD, NEW))
            self.restored()
        self.ids.clear()
        functions, objects = count()
        blocks = sys.getallocatedblocks()
        for _ in range(200):
            self.swapped((module, OLD, NEW))
            self.restored()
            self.ids.clear()
        functions_after, objects_after = count()
        self.assertEqual(functions_after, functions)
        self.assertLess(objects_after - objects, 50)
        self.assertLess(sys.getallocatedblocks() - blocks, 2000)
        self.assertEqual(dict(vars(module)), before)
        self.assertEqual(swap.applied(), [])

    def test_a_swap_does_not_keep_closures_alive(self):
        old = "def outer(thing):\n    def inner():\n        return 1, thing\n    return inner\n"
        module = self.load(old)

        class Thing:
            pass

        thing = Thing()
        gone = weakref.ref(thing)
        inner = module.outer(thing)
        self.swapped((module, old, old.replace("return 1", "return 2")))
        del inner, thing
        gc.collect()
        self.assertIsNone(gone())


if __name__ == "__main__":
    unittest.main()
