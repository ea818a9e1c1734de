"""Which other modules took hold of a name of this file when they were imported; reads their sources, changes nothing."""

import ast
import re
import sys
import types

from .live import body_lines
from .scope import called_at_import, evaluated_at_import, used_at_import


class Importer:
    """A loaded module that imported from the file: `bound` leads from its own names to those of the file, `modules`
    are its names for the file's module itself, `everything` says that it imported all public names."""

    def __init__(self, name, namespace, tree, bound, modules, everything):
        self.name = name
        self.namespace = namespace
        self.tree = tree
        self.bound = bound
        self.modules = modules
        self.everything = everything


class Neighbours:
    """The other modules of the program, read once for the time of one plan."""

    def __init__(self, namespaces):
        self._namespaces = namespaces
        self._modules = _module_names(namespaces)
        self._texts = None

    def importers(self, names):
        """Importers of these names, found by their sources, directly and through re-exports."""
        if self._texts is None:
            self._texts = _texts(self._namespaces)
        found = []
        seen = set()
        pending = [(self._modules, {name: name for name in names})]
        while pending:
            modules, wanted = pending.pop()
            for name, namespace, tree in _speaking_of(self._texts, modules, wanted):
                bound, held, everything = _imported(tree, namespace, modules, wanted)
                if (bound or held or everything) and id(namespace) not in seen:
                    seen.add(id(namespace))
                    found.append(Importer(name, namespace, tree, bound, held, everything))
                    if bound:
                        pending.append(({name}, bound))
        return found


def taken_at_import(importer, name):
    """The line on which this importer used the value of `name` while it was imported itself; or None."""
    for own, original in importer.bound.items():
        if original == name:
            line = used_at_import(importer.tree, own)
            if line:
                return line
    for node in evaluated_at_import(importer.tree):
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.value, ast.Name):
            if node.value.id in importer.modules:
                return node.lineno
    return None


def called_by(importer, name):
    """The line on which this importer called `name` while it was imported itself; or None."""
    own = {mine for mine, original in importer.bound.items() if original == name}
    busy = body_lines(importer.namespace)
    line = called_at_import(importer.tree, own, busy) if own else None
    if line is None and importer.modules:
        line = called_at_import(importer.tree, {name}, busy, also_attributes=True)
    return line


def _module_names(namespaces):
    return {
        name for name, module in list(sys.modules.items())
        if issubclass(type(module), types.ModuleType)
        and any(object.__getattribute__(module, "__dict__") is namespace for namespace in namespaces)
    }


def _texts(namespaces):
    """[(module name, namespace, path, text)] of all loaded modules that import anything, but for these."""
    found = []
    for name, module in list(sys.modules.items()):
        if not issubclass(type(module), types.ModuleType):
            continue
        namespace = object.__getattribute__(module, "__dict__")
        path = namespace.get("__file__")
        if not isinstance(path, str) or not path.endswith(".py") or any(namespace is own for own in namespaces):
            continue
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        if b"import" in data:
            found.append((name, namespace, path, data))
    return found


def _speaking_of(texts, modules, names):
    """(module name, namespace, tree) of the texts that may import one of the names, or all, from these modules."""
    words = re.compile(rb"\b(?:%s)\b" % b"|".join(re.escape(name.encode()) for name in names))
    tails = [name.rpartition(".")[2].encode() for name in modules]
    tail = b"(?:%s)" % b"|".join(re.escape(text) for text in tails)
    imported = re.compile(rb"^[ \t]*(?:from|import)\b(?:[^\n]*|[^\n(]*\([^)]*)\b%s\b" % tail, re.MULTILINE)
    for name, namespace, path, data in texts:
        if not any(text in data for text in tails):
            continue
        if (b"import *" not in data and not words.search(data)) or not imported.search(data):
            continue
        try:
            yield name, namespace, compile(data, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        except (SyntaxError, ValueError):
            continue


def _imported(tree, namespace, modules, wanted):
    """({own name: original name}, {own names of the module itself}, whether all was imported) at import."""
    bound, held, everything = {}, set(), False
    for node in evaluated_at_import(tree):
        if isinstance(node, ast.ImportFrom):
            origin = _origin(node, namespace)
            for alias in node.names:
                if origin in modules:
                    if alias.name == "*":
                        everything = True
                        bound.update({name: original for name, original in wanted.items() if name in namespace})
                    elif alias.name in wanted:
                        bound[alias.asname or alias.name] = wanted[alias.name]
                if origin + "." + alias.name in modules:
                    held.add(alias.asname or alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules:
                    held.add(alias.asname or alias.name)
    return bound, held, everything


def _origin(node, namespace):
    if not node.level:
        return node.module or ""
    package = namespace.get("__package__") or ""
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return package + "." + node.module if node.module else package
