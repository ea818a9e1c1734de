"""A source text compiled: its syntax tree and every code object in it, each with a print to compare by; never executed here."""

import ast
import hashlib
import types

CodeType = types.CodeType

OPTIMIZED = 0x1
VARARGS = 0x4
VARKEYWORDS = 0x8
GENERATOR = 0x20
COROUTINE = 0x80
ITERABLE_COROUTINE = 0x100
ASYNC_GENERATOR = 0x200

Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Source:
    """One source text compiled under one file name.

    `codes` lists the code objects below the module's own, parents first; `parent`, `qualname` and `node` are keyed
    by the identity of a code object, because the equality of code objects leaves too much out. `node` lacks an entry
    where two definitions cannot be told apart (same name, same line).
    """

    def __init__(self, data, filename):
        self.data = data
        self.filename = filename
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.tree = compile(data, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        self.code = compile(data, filename, "exec", dont_inherit=True)
        self.codes = []
        self.parent = {}
        self.qualname = {id(self.code): ""}
        self._collect(self.code)
        self.node = {}
        self.unclear = set()
        self._attach_nodes()
        self.by_print = {}
        for code in self.codes:
            self.by_print.setdefault(exact(code), code)

    def _collect(self, code):
        for child in children(code):
            if id(child) in self.parent:
                continue
            self.codes.append(child)
            self.parent[id(child)] = code
            self.qualname[id(child)] = self._inner(code) + child.co_name
            self._collect(child)

    def _inner(self, code):
        name = self.qualname[id(code)]
        if not name:
            return ""
        return name + (".<locals>." if code.co_flags & OPTIMIZED else ".")

    def _attach_nodes(self):
        nodes, codes = {}, {}
        for node in _in_order(self.tree):
            if isinstance(node, Definition):
                nodes.setdefault(_place(node), []).append(node)
        for code in self.codes:
            codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        for place, there in codes.items():
            matching = nodes.get(place, ())
            if len(matching) == len(there):
                for code, node in zip(there, matching):
                    self.node[id(code)] = node
            elif matching:
                self.unclear.update(id(code) for code in there)

    def at_import(self, code):
        """True for code made once, when the module is imported: not below any function."""
        parent = self.parent[id(code)]
        while parent is not self.code:
            if parent.co_flags & OPTIMIZED:
                return False
            parent = self.parent[id(parent)]
        return True


def _place(node):
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
    return node.name, first


def _in_order(node):
    """Depth first, in the order of the text: the order in which the compiler meets definitions of one line."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)


def children(code):
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def below(code):
    """All code objects nested in this one, however deep."""
    found = []
    for child in children(code):
        found.append(child)
        found.extend(below(child))
    return found


def exact(code):
    """A print of what a code object does and where its lines are; the file's name is left out."""
    return _print(code, lines=True, nested=True)


def meaning(code):
    """A print of what a code object does, wherever its lines are."""
    return _print(code, lines=False, nested=True)


def own_meaning(code):
    """Like `meaning`, without the functions defined inside: what running this body itself does."""
    return _print(code, lines=False, nested=False)


def _print(code, lines, nested):
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_print(constant, lines, nested) if nested else ("code", constant.co_name))
        else:
            constants.append(_constant(constant))
    parts = (
        code.co_name, code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags,
        getattr(code, "co_exceptiontable", b""),
        (code.co_firstlineno, _line_table(code)) if lines else None,
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _line_table(code):
    return code.co_linetable if hasattr(code, "co_linetable") else code.co_lnotab


def _constant(value):
    """Text of a constant that is equal exactly when value and type are: sets are unordered, zeros have signs."""
    kind = type(value)
    if kind is frozenset:
        return "frozenset", sorted(repr(_constant(item)) for item in value)
    if kind is tuple:
        return "tuple", [_constant(item) for item in value]
    if kind is int:
        return "int", hex(value)
    if kind is complex:
        return "complex", repr(value.real), repr(value.imag)
    if kind is slice:
        return "slice", _constant(value.start), _constant(value.stop), _constant(value.step)
    return kind.__name__, repr(value)
