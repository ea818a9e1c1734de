"""Small programs for the tests of the hot swap: written to a folder of their own, imported, swapped and thrown away; holds no tests."""

import importlib
import itertools
import os
import shutil
import sys
import tempfile
import textwrap
import unittest

AGENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, AGENT)

from homeostasis_agent import swap  # noqa: E402

_numbers = itertools.count()


class SwapCase(unittest.TestCase):
    """A test with a folder of modules that is importable and forgotten afterwards."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="swap-"))
        self.names = []
        self.ids = []
        self._writes_bytecode = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        sys.path.insert(0, self.folder)

    def tearDown(self):
        for swap_id, files in reversed(self.ids):
            if swap_id in swap.applied():
                swap.undo(swap_id, files)
        sys.path.remove(self.folder)
        sys.dont_write_bytecode = self._writes_bytecode
        for name in self.names:
            sys.modules.pop(name, None)
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, *name.split(".")) + ".py"

    def write(self, text, name=None):
        """Writes a module under a name of its own; the name."""
        name = name or "swapped_%d" % next(_numbers)
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", newline="") as file:
            file.write(textwrap.dedent(text))
        self.names.append(name)
        importlib.invalidate_caches()
        return name

    def load(self, text, name=None):
        return importlib.import_module(self.write(text, name))

    def files(self, *changes):
        """The `files` of a swap from (module or name, old text, new text)."""
        return [
            {"path": self.path(getattr(module, "__name__", module)),
             "old": textwrap.dedent(old).encode(), "new": textwrap.dedent(new).encode()}
            for module, old, new in changes
        ]

    def apply(self, *changes):
        self.last = "swap-%d" % next(_numbers)
        self.last_files = self.files(*changes)
        self.ids.append((self.last, self.last_files))
        return swap.apply(self.last, self.last_files)

    def undo(self):
        return swap.undo(self.last, self.last_files)

    def swapped(self, *changes):
        """Applies and insists that it was."""
        result = self.apply(*changes)
        self.assertEqual((result["state"], result["reason"]), ("applied", ""))
        return result

    def refused(self, *changes):
        """Applies, insists that it was refused and that nothing changed; the reason."""
        modules = [sys.modules[getattr(module, "__name__", module)] for module, _, _ in changes]
        before = [dict(vars(module)) for module in modules]
        result = self.apply(*changes)
        self.assertEqual(result["state"], "refused", result)
        self.assertEqual(before, [dict(vars(module)) for module in modules])
        self.assertFalse(self.last in swap.applied())
        return result["reason"]

    def restored(self):
        result = self.undo()
        self.assertEqual((result["state"], result["reason"]), ("restored", ""))
        return result
