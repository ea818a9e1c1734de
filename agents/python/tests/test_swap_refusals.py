"""What a hot swap must refuse, with the reason, and leave exactly as it was; what it reaches is tested elsewhere."""

import sys
import threading
import types
import unittest

from swap_program import SwapCase, swap


class Refusals(SwapCase):
    def check(self, old, new, words, module=None):
        module = module or self.load(old)
        reason = self.refused((module, old, new))
        self.assertRegex(reason, words)
        self.assertEqual(swap.running(self.path(module.__name__), [("old", self.last_files[0]["old"])]), (True, "old"))
        return module

    def test_changed_decorators(self):
        old = "def a(f): return f\ndef b(f): return f\n@a\ndef f(): pass\n"
        self.check(old, old.replace("@a", "@b"), "decorators of f")
        self.check(old, old.replace("@a\n", ""), "decorators of f")
        self.check(old, old + "@a\ndef g(): pass\n", "g is new and has decorators")
        self.check(old, old.replace("@a\ndef f(): pass\n", ""), "f was removed")

    def test_a_changed_signature_of_a_decorated_function(self):
        old = "def a(f): return f\n@a\ndef f(x): pass\n"
        self.check(old, old.replace("(x)", "(x, y=1)"), "signature of f")

    def test_a_decorator_whose_own_body_changed(self):
        old = "def a(f):\n    f.mark = 1\n    return f\n@a\ndef f(x): pass\n"
        self.check(old, old.replace("mark = 1", "mark = 2"), "a changed, and line 4 used it")

    def test_signatures_whose_callers_must_change_with_them(self):
        for before, after in (("x", "x, y"), ("x, y", "x"), ("x, y", "y, x"), ("x", "z"), ("x=1", "x"), ("x", "x, *, k"),
                              ("*a", "x=1, *a"), ("**k", "x=1, **k"), ("x", "x, /"), ("x, *a", "x, y=1, *a")):
            old = "def f(%s): pass\ndef g(): return f\n" % before
            self.check(old, old.replace("f(%s)" % before, "f(%s)" % after), "signature of f|parameter")

    def test_class_headers_and_removed_classes(self):
        old = "class A: pass\nclass B(A): pass\nclass M(type): pass\n"
        self.check(old, old.replace("B(A)", "B"), "bases or the metaclass of class B")
        self.check(old, old.replace("B(A)", "B(A, metaclass=M)"), "bases or the metaclass of class B")
        self.check(old, old.replace("class B(A): pass\n", ""), "class B was removed")
        self.check(old, old.replace("class B(A): pass\n", "def B(): pass\n"), "B")

    def test_def_and_async_def_do_not_change_into_each_other(self):
        old = "def f(): return 1\nclass A:\n    def g(self): return 1\n"
        self.check(old, old.replace("def f", "async def f"), "async")
        self.check(old, old.replace("    def g", "    async def g"), "async")

    def test_changed_statements_of_the_module(self):
        old = "import os\nX = os.getcwd()\nY = []\nY.append(1)\ntry:\n    Z = 1\nexcept ValueError:\n    Z = 2\ndef f(): pass\n"
        for one, other in (("getcwd()", "getcwd() + ''"), ("append(1)", "append(2)"), ("Z = 2", "Z = 3"),
                           ("Y.append(1)\n", ""), ("def f(): pass\n", "def f(): pass\nprint()\n")):
            self.check(old, old.replace(one, other), "when the program started")

    def test_names_bound_in_several_places(self):
        old = "X = 1\nif X:\n    X = X + 1\ndef f(): return X\n"
        self.check(old, old.replace("X = 1\n", "X = 2\n"), "several places|used it")

    def test_a_constant_that_importing_used_further(self):
        old = "N = 1000\nTABLE = {'n': N}\ndef f(x=N): return x\n"
        self.check(old, old.replace("1000", "2000"), "N changed, and line")

    def test_a_constant_that_the_program_changed_itself(self):
        old = "N = 1000\ndef f():\n    global N\n    N += 1\n    return N\n"
        module = self.load(old)
        module.f()
        self.check(old, old.replace("= 1000", "= 2000"), "N was changed by the program itself", module)

    def test_a_constant_that_another_module_used_when_it_was_imported(self):
        old = "NUMBER = 1000\n"
        module = self.load(old)
        self.load("from %s import NUMBER\nTWICE = NUMBER * 2\n" % module.__name__)
        self.check(old, old.replace("1000", "2000"), "took it when it was imported", module)
        module = self.load(old)
        self.load("import %s as m\nTWICE = m.NUMBER * 2\n" % module.__name__)
        self.check(old, old.replace("1000", "2000"), "took it when it was imported", module)
        module = self.load(old)
        self.load("from %s import NUMBER\nNUMBER = NUMBER + 1\n" % module.__name__)
        self.check(old, old.replace("1000", "2000"), "took it when it was imported|made something else", module)

    def test_a_container_that_an_object_of_the_program_holds(self):
        old = "WORDS = ['a']\nclass Holder:\n    pass\nHOLDER = Holder()\ndef f(): HOLDER.words = WORDS\n"
        module = self.load(old)
        module.f()
        self.check(old, old.replace("['a']", "['a', 'b']"), "holds the old one", module)

    def test_a_function_that_importing_called(self):
        old = "def make(): return 1\nMADE = make()\n"
        self.check(old, old.replace("return 1", "return 2"), "make changed, and line 2 used it")
        old = "class Service:\n    def __init__(self): self.x = 1\nSERVICE = Service()\n"
        self.check(old, old.replace("self.x = 1", "self.x = 2"), "__init__ changed, and line 3 used it")
        old = "def create(): return 1\n"
        module = self.load(old)
        self.load("from %s import create\nAPP = create()\n" % module.__name__)
        self.check(old, old.replace("return 1", "return 2"), "create changed, and line 2 of module", module)
        module = self.load(old)
        self.load("import %s as m\nAPP = m.create()\n" % module.__name__)
        self.check(old, old.replace("return 1", "return 2"), "create changed, and line 2 of module", module)

    def test_a_constructor_that_sets_more_than_existing_objects_have(self):
        old = "class A:\n    def __init__(self):\n        self.x = 1\n    def f(self): return self.x\n"
        new = "class A:\n    def __init__(self):\n        self.x = 1\n        self.y = 2\n    def f(self): return self.x + self.y\n"
        module = self.load(old)
        thing = module.A()
        self.check(old, new, "sets y, and objects made before would lack it", module)
        del thing
        self.swapped((module, old, new))
        self.assertEqual(module.A().f(), 3)

    def test_a_closure_that_would_need_a_variable_of_an_ended_call(self):
        old = "def outer(a, b):\n    def inner(): return a\n    return inner\ndef f(): return 1\n"
        new = "def outer(a, b):\n    def inner(): return a + b\n    return inner\ndef f(): return 2\n"
        module = self.load(old)
        inner = module.outer(1, 2)
        self.check(old, new, "inner: an existing closure would need b", module)
        self.assertEqual((inner(), module.f()), (1, 1))
        del inner
        self.swapped((module, old, new))
        self.assertEqual((module.outer(1, 2)(), module.f()), (3, 2))

    def test_lambdas_that_cannot_be_told_apart(self):
        old = "def f(): return [lambda: 1, lambda: 2]\n"
        new = "def f(): return [lambda: 3, lambda: 4, lambda: 5]\n"
        module = self.load(old)
        kept = module.f()
        self.check(old, new, "cannot be told apart", module)
        self.assertEqual([one() for one in kept], [1, 2])

    def test_lambdas_that_changed_places(self):
        old = "def f(): return [lambda: 1, lambda: 2]\n"
        new = "def f(): return [lambda: 2, lambda: 3]\n"
        module = self.load(old)
        kept = module.f()
        self.check(old, new, "cannot be told apart", module)
        del kept
        self.swapped((module, old, new))

    def test_running_code_that_is_neither_source(self):
        old = "def f(): return 1\n"
        module = self.load(old)
        self.assertIn("neither", self.refused((module, "def f(): return 3\n", "def f(): return 2\n")))
        self.assertEqual(swap.undo("unknown", self.files((module, "def f(): return 3\n", "def f(): return 2\n")))["state"], "failed")

    def test_a_new_source_that_does_not_compile(self):
        old = "def f(): return 1\n"
        module = self.load(old)
        for new in ("def f(: return 2\n", "def f(): return 1\n\0", "def f():\n\treturn 1\n        return 2\n", "return 1\n"):
            self.assertIn("does not compile", self.refused((module, old, new)))

    def test_an_import_that_fails(self):
        old = "def f(): return 1\n"
        self.check(old, "import no_such_module_anywhere\n" + old, "import in line 1 failed: ModuleNotFoundError")
        self.check(old, "EXTRA = 1\nX = NO_SUCH_NAME\n" + old, "assignment in line 2 failed: NameError")

    def test_one_refused_file_keeps_all_files_as_they_are(self):
        one, two = "def f(): return 1\n", "class A: pass\nclass B: pass\n"
        first, second = self.load(one), self.load(two)
        self.refused((first, one, "EXTRA = 1\ndef f(): return 2\n"), (second, two, "class A: pass\n"))
        self.assertEqual((first.f(), hasattr(first, "EXTRA")), (1, False))

    def test_new_classes_whose_making_does_something(self):
        old = "class Base:\n    def __init_subclass__(cls): Base.last = cls\ndef f(): pass\n"
        self.check(old, old + "class New(Base): pass\n", "takes note of its subclasses")
        self.check(old, old + "class New:\n    print('made')\n", "runs when it is made")
        self.check(old, old + "class New(metaclass=type): pass\n", "metaclass")

    def test_fields_and_special_methods_that_class_creation_read(self):
        old = "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = 1\n    def f(self): pass\n"
        self.check(old, old.replace("= 1", "= 2"), "field of class A")
        self.check(old, old + "    def __post_init__(self): pass\n", "read it")
        self.check(old, old + "    def __eq__(self, other): return True\n", "read it")
        old = "import enum\nclass E(enum.Enum):\n    A = 1\n"
        self.check(old, old + "    B = 2\n", "metaclass")

    def test_defaults_that_are_computed(self):
        old = "def f(x=1): return x\n"
        self.check(old, old.replace("x=1", "x=[].copy()"), "default of f is computed")

    def test_future_imports(self):
        old = "def f(): return 1\n"
        self.check(old, "from __future__ import annotations\n" + old, "__future__")

    def test_an_asynchronous_generator_whose_closure_does_not_fit(self):
        old = "class A:\n    async def f(self):\n        yield 1\nclass B(A):\n    async def f(self):\n        yield 2\n"
        new = old.replace("yield 2", "async for x in super().f():\n            yield x")
        self.check(old, new, "asynchronous generator")


class DuringImport(SwapCase):
    def begin(self, text):
        """Imports a module in another thread, up to the point where its body waits; a function that lets it end."""
        gate = types.ModuleType("swap_gate")
        gate.there, gate.go = threading.Event(), threading.Event()
        sys.modules["swap_gate"] = gate
        name = self.write(text)
        thread = threading.Thread(target=__import__, args=(name,), daemon=True)
        thread.start()
        self.assertTrue(gate.there.wait(10))
        self.addCleanup(gate.go.set)

        def finish():
            gate.go.set()
            thread.join()
            sys.modules.pop("swap_gate", None)
            return sys.modules[name]

        return name, finish

    def test_a_module_that_is_half_imported_is_refused_and_swapped_later(self):
        old = "import swap_gate\ndef f(): return 1\nswap_gate.there.set()\nswap_gate.go.wait()\ndef g(): return 1\n"
        new = old.replace("return 1", "return 2")
        name, finish = self.begin(old)
        result = self.apply((name, old, new))
        module = finish()
        self.assertEqual(result["state"], "refused")
        self.assertIn("imported at this moment", result["reason"])
        self.assertEqual((module.f(), module.g()), (1, 1))
        self.swapped((name, old, new))
        self.assertEqual((module.f(), module.g()), (2, 2))

    def test_a_body_that_still_runs_is_swapped_only_if_nothing_of_it_is_to_come(self):
        old = "import swap_gate\ndef f(): return 1\nswap_gate.there.set()\nswap_gate.go.wait()\ndef g(): return 1\n"
        name, finish = self.begin(old)
        module = sys.modules[name]
        module.__spec__._initializing = False
        reason = self.refused((name, old, old.replace("return 1", "return 2")))
        self.assertIn("still running its own body in line 4, and defines g", reason)
        self.swapped((name, old, old.replace("def f(): return 1", "def f(): return 2")))
        self.assertEqual(module.f(), 2)
        finish()
        self.assertEqual((module.f(), module.g()), (2, 1))


if __name__ == "__main__":
    unittest.main()
