"""The hot swap on random modules and random edits: what was swapped acts as a fresh import of the new source does, and undoing gives back the very same objects."""

import importlib
import os
import random
import sys
import types
import unittest

from swap_program import SwapCase, swap

SEEDS = int(os.environ.get("HOMEOSTASIS_SWAP_SEEDS", "60"))


class Module:
    """A random module: constants, functions, closures, generators, decorated functions, tables of lambdas, classes.

    Functions call only those before them, so that every one of them ends.
    """

    def __init__(self, rng):
        self.rng = rng
        self.parts = []
        self.count = 0
        for _ in range(rng.randint(3, 9)):
            self.parts.append(self.part())

    def part(self):
        self.count += 1
        kind = self.rng.choice(["constant", "function", "closure", "generator", "decorated", "table", "class", "class"])
        part = {"kind": kind, "name": "%s%d" % (kind, self.count), "gap": self.rng.randint(0, 2)}
        part["body"] = self.expression()
        if kind in ("function", "decorated"):
            part["default"] = self.rng.randint(0, 9)
            part["document"] = self.rng.choice(["", "Documented."])
        if kind == "closure":
            part["free"] = self.rng.choice(["a", "b", "a + b"])
        if kind == "table":
            part["bodies"] = [self.expression() for _ in range(self.rng.randint(1, 3))]
        if kind == "class":
            part["rate"] = self.rng.randint(0, 9)
            part["methods"] = {
                name: self.expression() for name in self.rng.sample(["one", "two", "three", "__len__"], self.rng.randint(1, 3))
            }
            part["property"] = self.expression()
            part["super"] = self.rng.random() < 0.3
        return part

    def expression(self):
        earlier = [part["name"] for part in self.parts if part["kind"] == "constant"]
        called = [part["name"] + "(x)" for part in self.parts if part["kind"] in ("function", "decorated")]
        one = self.rng.choice(["x", "x * 2", "abs(x)", "len(str(x))"] + earlier + called)
        return "%s + %d" % (one, self.rng.randint(0, 99))

    def text(self):
        lines = ["import functools", "", "def doubled(f):", "    @functools.wraps(f)", "    def wrapper(*a):",
                 "        return 2 * f(*a)", "    return wrapper", "class Base:", "    def named(self, x):", "        return x"]
        for part in self.parts:
            lines += [""] * part["gap"] + getattr(self, "write_" + part["kind"])(part)
        return "\n".join(lines) + "\n"

    def write_constant(self, part):
        return ["%s = %d" % (part["name"], part["rate"] if "rate" in part else 1000 + sum(map(ord, part["body"])))]

    def write_function(self, part):
        lines = ["def %s(x, y=%d):" % (part["name"], part["default"])]
        if part["document"]:
            lines.append('    """%s"""' % part["document"])
        return lines + ["    return %s + y" % part["body"]]

    def write_decorated(self, part):
        return ["@doubled"] + self.write_function(part)

    def write_closure(self, part):
        return ["def %s(a, b):" % part["name"], "    def inner(x):", "        return %s + %s" % (part["body"], part["free"]),
                "    return inner"]

    def write_generator(self, part):
        return ["def %s(x):" % part["name"], "    for i in range(3):", "        yield %s + i" % part["body"]]

    def write_table(self, part):
        return ["%s = {" % part["name"]] + [
            "    %d: lambda x: %s," % (index, body) for index, body in enumerate(part["bodies"])
        ] + ["}"]

    def write_class(self, part):
        lines = ["class %s(Base):" % part["name"], "    RATE = %d" % part["rate"]]
        for name, body in part["methods"].items():
            if name == "__len__":
                lines += ["    def __len__(self):", "        x = 1", "        return abs(%s)" % body]
            else:
                lines += ["    def %s(self, x):" % name, "        return %s + self.RATE" % body]
        lines += ["    @property", "    def prop(self):", "        x = self.RATE", "        return %s" % part["property"],
                  "    @staticmethod", "    def static(x):", "        return %s" % part["body"],
                  "    def named(self, x):",
                  "        return %s%s" % (part["body"], " + super().named(x)" if part["super"] else "")]
        return lines

    def edit(self):
        for _ in range(self.rng.randint(1, 4)):
            part = self.rng.choice(self.parts)
            what = self.rng.random()
            if what < 0.15:
                self.parts.append(self.part())
            elif what < 0.3:
                part["gap"] += self.rng.randint(1, 4)
            elif what < 0.45 and "default" in part and part["kind"] == "function":
                part["default"] += 1
            elif what < 0.6 and part["kind"] == "class":
                name = self.rng.choice(["one", "two", "three"])
                part["methods"][name] = "x + %d" % self.rng.randint(0, 99)
                part["rate"] += self.rng.randint(0, 1)
            elif what < 0.7 and part["kind"] == "class":
                part["super"] = not part["super"]
            elif what < 0.8 and part["kind"] == "closure":
                part["free"] = self.rng.choice(["a", "b", "a + b"])
            elif part["kind"] == "table":
                part["bodies"][self.rng.randrange(len(part["bodies"]))] = "x + %d" % self.rng.randint(100, 999)
            else:
                # Only what stands before may be called, so an edit keeps to plain numbers.
                part["body"] = "x + %d" % self.rng.randint(100, 999)


class Held:
    """What a program may hold of a module: objects, bound methods, closures, functions; made once, asked again later."""

    def __init__(self, module):
        self.calls = {}
        for name, value in sorted(vars(module).items()):
            if name.startswith(("function", "decorated")):
                self.calls[name] = value
            elif name.startswith("generator"):
                self.calls[name] = lambda x, f=value: list(f(x))
            elif name.startswith("closure"):
                self.calls[name] = value(10, 200)
            elif name.startswith("table"):
                for key, function in value.items():
                    self.calls[name, key] = function
            elif name.startswith("class"):
                thing = value()
                self.calls[name, "static"] = thing.static
                self.calls[name, "named"] = thing.named
                self.calls[name, "prop"] = lambda x, thing=thing: thing.prop
                self.calls[name, "thing"] = lambda x, thing=thing: sorted(
                    (key, getattr(thing, key)(x)) for key in ("one", "two", "three") if hasattr(thing, key)
                ) + [len(thing) if hasattr(thing, "__len__") else None, thing.RATE]

    def answers(self):
        return {name: (call(3), getattr(call, "__doc__", None)) for name, call in self.calls.items()}


def answers(module):
    constants = {name: value for name, value in vars(module).items() if name.startswith("constant")}
    return dict(Held(module).answers(), constants=constants)


def state(module):
    """Every object that a swap may touch, by identity."""
    found = {("module", name): value for name, value in vars(module).items()}
    for name, value in list(vars(module).items()):
        if isinstance(value, type):
            found.update({(name, key): inner for key, inner in vars(value).items()})
    for key, value in list(found.items()):
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(value, types.FunctionType):
            found[key, "code"] = value.__code__
            found[key, "defaults"] = value.__defaults__
    return found


class RandomEdits(SwapCase):
    def test_swapped_modules_act_like_freshly_imported_ones_and_come_back(self):
        applied = refused = 0
        reasons = {}
        for seed in range(SEEDS):
            rng = random.Random(seed)
            maker = Module(rng)
            old = maker.text()
            maker.edit()
            new = maker.text()
            with self.subTest(seed=seed):
                module = self.load(old)
                held, before, was = Held(module), state(module), answers(module)
                held_before = held.answers()
                result = self.apply((module, old, new))
                if result["state"] == "refused":
                    refused += 1
                    reasons.setdefault(result["reason"].split(",")[0], seed)
                    self.assertEqual(was, answers(module))
                elif old == new:
                    self.assertEqual(result["state"], "already")
                else:
                    applied += 1
                    self.assertEqual((result["state"], result["reason"]), ("applied", ""))
                    fresh = self.load(new)
                    expected = answers(fresh)
                    self.assertEqual(answers(module), expected)
                    now = held.answers()
                    self.assertEqual(now, {name: expected[name] for name in now})
                    self.restored()
                after = state(module)
                self.assertEqual([key for key in before if before[key] is not after.get(key)], [])
                self.assertEqual(set(before), set(after))
                self.assertEqual((was, held_before), (answers(module), held.answers()))
        self.assertGreater(applied, 0.6 * SEEDS, reasons)

    def test_a_chain_of_swaps_is_undone_step_by_step(self):
        for seed in range(SEEDS // 6):
            rng = random.Random(1000 + seed)
            maker = Module(rng)
            texts = [maker.text()]
            for _ in range(4):
                maker.edit()
                texts.append(maker.text())
            with self.subTest(seed=seed):
                module = self.load(texts[0])
                steps, current = [], texts[0]
                for text in texts[1:]:
                    before = state(module)
                    result = self.apply((module, current, text))
                    if result["state"] == "applied":
                        steps.append((self.last, self.last_files, before, current))
                        current = text
                        self.assertEqual(answers(module), answers(self.load(text)))
                for swap_id, files, before, earlier in reversed(steps):
                    result = swap.undo(swap_id, files)
                    self.assertEqual((result["state"], result["reason"]), ("restored", ""))
                    after = state(module)
                    self.assertEqual([key for key in before if before[key] is not after.get(key)], [])
                    self.assertEqual(answers(module), answers(self.load(earlier)))

    def tearDown(self):
        super().tearDown()
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.startswith("swapped_")]:
            del sys.modules[name]


if __name__ == "__main__":
    unittest.main()
