"""Everything a swap will do in this process, worked out before anything running is touched, or the reason why it cannot."""

import abc
import ast
import builtins
import sys
import types
import weakref

from . import trampoline
from .align import align
from .change import ABSENT, to_class, to_function, to_namespace
from .copies import Neighbours, called_by, taken_at_import
from .difference import compare, default_changes, header_change
from .identify import class_of, same_value, values_of
from .live import holders, instances, target_of
from .scope import bound_by, evaluated_at_import, is_pure, used_at_import
from .signature import parameters, same_parameters, shape
from .source import OPTIMIZED, Source, below, children, exact, meaning, own_meaning

FunctionType = types.FunctionType

# What a swap or its undoing took out of a source and left in place for the code in flight that may still use it.
left_behind = weakref.WeakSet()


class Seen(weakref.WeakSet):
    """Closures of calls in flight that earlier attempts at the same swap met; `begun` after the first attempt."""

    begun = False


class Refused(Exception):
    """Nothing was done; the text says why in plain words. `passing` when waiting a moment may help."""

    def __init__(self, reason, passing=False):
        super().__init__(reason)
        self.passing = passing


class Plan:
    """One swap of several files: `changes` to do at once, and what is needed afterwards.

    `forward` and `backward` lead, by file name, from the print of a code object to its replacement; they catch the
    functions that code in flight makes after the swap. `staged` are entries under new names, put in place already.
    """

    def __init__(self):
        self.changes = []
        self.staged = []
        self.forward = {}
        self.backward = {}
        self.caches = []
        self.retired = []
        self.functions = 0

    def stage(self, namespace, name, value):
        self.staged.append(to_namespace(namespace, name, value))
        namespace[name] = value

    def unstage(self):
        for change in reversed(self.staged):
            if change.owner.get(change.name, ABSENT) is change.after:
                change.owner.pop(change.name)
        self.staged = []


def make(files, found, caches, seen, undoing=False):
    """The Plan for [(old Source, new Source)], given what `live.look` found for their paths.

    `seen` holds the closures of calls in flight that earlier attempts met, and is added to. Raises Refused, with
    everything staged taken back.
    """
    plan = Plan()
    try:
        parts = [_File(plan, old, new, found[old.filename], seen, undoing) for old, new in files]
        _in_any_order([step for part in parts for step in part.steps()])
        for part in parts:
            part.star_importers()
        _clear_caches(plan, caches)
    except BaseException:
        plan.unstage()
        raise
    return plan


def _in_any_order(pending):
    """Runs steps that may need each other's new names, until all are done; the error of one that never can, refuses."""
    while pending:
        waiting, error = [], None
        for what, step in pending:
            try:
                step()
            except Refused:
                raise
            except Exception as problem:
                waiting.append((what, step))
                error = error or "%s failed: %s: %s" % (what, type(problem).__name__, problem)
        if len(waiting) == len(pending):
            raise Refused(error)
        pending = waiting


def _clear_caches(plan, caches):
    changed = {id(change.owner) for change in plan.changes if change.name == "__code__" and _acts_otherwise(change)}
    for cache in caches:
        inner = cache
        while inner is not None:
            if id(inner) in changed:
                plan.caches.append(cache)
                break
            inner = getattr(inner, "__dict__", {}).get("__wrapped__")


def _acts_otherwise(change):
    return target_of(change.before) is not None or meaning(change.before) != meaning(change.after)


class _File:
    """The planning of one file; its methods only add to the plan."""

    def __init__(self, plan, old, new, live, seen, undoing):
        self.seen = seen
        self.plan = plan
        self.old = old
        self.new = new
        self.live = live
        self.alignment = align(old, new)
        self.difference = compare(old, new, self.alignment, undoing, [line for _, line in live.bodies])
        self.versions = {}
        self.neighbours = Neighbours(live.namespaces)
        self.fresh = {}
        # Values of names that exist and are bound anew, by namespace: expressions planned later see them.
        self.rebound = {id(namespace): {} for namespace in live.namespaces}

    def steps(self):
        if self.live.importing:
            raise Refused("%s is being imported at this moment" % self.old.filename, passing=True)
        if self.difference.refusals:
            raise Refused("; ".join(list(dict.fromkeys(self.difference.refusals))[:5]))
        self._body_in_progress()
        self._constructors()
        self._elsewhere()
        self._functions()
        self._dropped()
        steps = []
        for namespace in self.live.namespaces:
            steps.extend(self._steps_in(namespace))
        return steps

    # What forbids the whole swap.

    def _body_in_progress(self):
        """A module body that has not ended may still make functions of its old code, and bind names anew."""
        for _, line in self.live.bodies:
            for number, statement in enumerate(self.old.tree.body):
                following = self.old.tree.body[number + 1] if number + 1 < len(self.old.tree.body) else None
                if following is None or _first_line(following) > line:
                    break
            else:
                continue
            rest = self.old.tree.body[number:]
            since = _first_line(statement)
            for code in self.old.codes:
                if code.co_firstlineno >= since and self.old.at_import(code) and not self._unchanged(code):
                    raise Refused(
                        "the module is still running its own body in line %d, and defines %s there or later"
                        % (line, self.old.qualname[id(code)])
                    )
            lines = {id(node) for part in rest for node in ast.walk(part)}
            for _, node, earlier in self.difference.assignments:
                if any(id(other) in lines for other in earlier):
                    raise Refused("the module is still running its own body and binds %s later" % bound_by(node)[0])

    def _unchanged(self, code):
        other = self.alignment.pairs.get(id(code))
        return other is not None and exact(other) == exact(code)

    def _constructors(self):
        for scope, names in self.difference.constructors:
            kinds = [kind for kind in (class_of(space, scope) for space in self.live.namespaces) if kind is not None]
            names = [name for name in names if not all(hasattr(kind, name) for kind in kinds)]
            if names and (not kinds or instances(kinds)):
                raise Refused(
                    "the constructor of %s now sets %s, and objects made before would lack it" % (scope, ", ".join(names))
                )

    def _elsewhere(self):
        """Other modules that called a changed function when they were imported."""
        names = set()
        for code in self.old.codes:
            other = self.alignment.pairs.get(id(code))
            if other is None or own_meaning(other) == own_meaning(code) or not code.co_flags & OPTIMIZED:
                continue
            parent = self.old.parent[id(code)]
            if parent is self.old.code and not code.co_name.startswith("<"):
                names.add(code.co_name)
            elif code.co_name in ("__init__", "__new__", "__post_init__") and self.old.parent[id(parent)] is self.old.code:
                names.add(parent.co_name)
        if not names:
            return
        for importer in self.neighbours.importers(names):
            for name in sorted(names):
                line = called_by(importer, name)
                if line:
                    raise Refused(
                        "%s changed, and line %d of module %s used it when the program started; "
                        "that cannot be done again" % (name, line, importer.name)
                    )

    # Existing functions.

    def _functions(self):
        prints, redefined = {}, {}
        unsettled = self._unsettled()
        for function in self.live.functions:
            code = function.__code__
            if id(code) in unsettled:
                self._in_use(function, unsettled[id(code)])
                continue
            target = target_of(code)
            compiled = target.__code__ if target is not None else code
            filename = compiled.co_filename
            if id(compiled) not in prints:
                prints[id(compiled)] = exact(compiled)
            old, new, alignment = self._version(filename)
            if filename not in redefined:
                redefined[filename] = _redefined(old, new, alignment)
            before = old.by_print.get(prints[id(compiled)])
            if before is None:
                continue
            if target is None:
                self._remember_original(filename, code)
            if id(before) in alignment.unclear:
                raise Refused(
                    "%s lives and cannot be told apart from others of its name in the new source"
                    % old.qualname[id(before)], passing=not old.at_import(before)
                )
            after = alignment.pairs.get(id(before))
            if after is None:
                self.plan.retired.append(function)
            elif exact(after) != prints[id(compiled)] or id(before) in redefined[filename]:
                self._function(function, target, before, after, old, new)
        for filename, (old, new, alignment) in self.versions.items():
            self._remember_pairs(filename, old, new, alignment)

    def _unsettled(self):
        """{identity of a nested code object: qualified name of its call} for the calls in flight whose own body
        changes: their closures go on with them as they are."""
        found = {}
        for code in self.live.in_flight:
            old, _, alignment = self._version(code.co_filename)
            before = old.by_print.get(exact(code))
            after = before and alignment.pairs.get(id(before))
            if after is not None and own_meaning(after) != own_meaning(before):
                found.update((id(inner), old.qualname[id(before)]) for inner in below(code))
        return found

    def _in_use(self, function, name):
        """Closures of a call in flight end with it. One that outlives several looks may be held by others."""
        if function in self.seen or not self.seen.begun:
            self.seen.add(function)
            raise Refused("a call of %s in flight uses functions it has made, and they change with it" % name, passing=True)

    def _version(self, filename):
        """Both sources compiled under the name that this function's code carries, and their alignment."""
        if filename not in self.versions:
            if filename == self.old.filename:
                self.versions[filename] = (self.old, self.new, self.alignment)
            else:
                old, new = Source(self.old.data, filename), Source(self.new.data, filename)
                self.versions[filename] = (old, new, align(old, new))
        return self.versions[filename]

    def _remember_original(self, filename, code):
        known = self.plan.backward.setdefault(filename, {}).setdefault("original", {})
        pending = [code]
        while pending:
            code = pending.pop()
            if known.setdefault(exact(code), code) is code:
                pending.extend(children(code))

    def _remember_pairs(self, filename, old, new, alignment):
        backward = self.plan.backward.setdefault(filename, {})
        original = backward.pop("original", {})
        forward = self.plan.forward.setdefault(filename, {})
        for code in old.codes:
            after = alignment.pairs.get(id(code))
            if after is None or not code.co_flags & OPTIMIZED:
                continue
            one, other = exact(code), exact(after)
            if one != other:
                if one not in new.by_print:
                    forward[one] = after
                if other not in old.by_print:
                    backward[other] = original.get(one, code)

    def _function(self, function, target, before, after, old, new):
        name = old.qualname[id(before)]
        one, other = old.node.get(id(before)), new.node.get(id(after))
        defaults = None
        if one is not None and other is not None and not isinstance(one, ast.ClassDef):
            if not old.at_import(before):
                reason = header_change(name, one, other)
                if reason:
                    raise Refused(reason, passing=True)
            if target is not None and not same_parameters(one.args, other.args):
                raise Refused("the signature of %s changed, and an earlier swap has rerouted it" % name)
            if shape(one.args) != shape(other.args):
                defaults = self._defaults(function, one.args, other.args, name, old.at_import(before))
        elif not same_signature(before, after):
            raise Refused("the signature of %s changed and its definition is not clear" % name)
        if target is None:
            self._code(function, before, after, defaults, name)
            if meaning(before) != meaning(after):
                self.plan.functions += 1
        if defaults is not None:
            for attribute, value in zip(("__defaults__", "__kwdefaults__"), defaults):
                if getattr(function, attribute) != value or getattr(function, attribute) is None:
                    self.plan.changes.append(to_function(function, attribute, value))
        self._described(function, before, after, one, other)

    def _code(self, function, before, after, defaults, name):
        if exact(before) == exact(after):
            return
        change, reason = refit(function, before, after, defaults, self._owner_of(name))
        if change is None:
            raise Refused("%s: %s" % (name, reason), passing="<locals>" in name)
        self.plan.changes.append(change)

    def _owner_of(self, name):
        scope = name.rpartition(".")[0]
        return lambda namespace: class_of(namespace, scope) if scope and "<locals>" not in scope else None

    def _defaults(self, function, old, new, name, at_import):
        """(__defaults__, __kwdefaults__) for the new signature: the live value where the text did not change."""
        listed = parameters(old)
        places = [p.name for p in listed if p.kind in ("positional", "either") and p.default is not None]
        given = function.__defaults__ or ()
        if len(given) != len(places) or any(
            p.name not in (function.__kwdefaults__ or {}) for p in listed if p.kind == "keyword" and p.default is not None
        ):
            raise Refused("the defaults of %s were changed by the program itself" % name)
        live = dict(zip(places, given))
        live.update(function.__kwdefaults__ or {})
        positional, keyword = [], {}
        for parameter, earlier in default_changes(old, new):
            if earlier is not None and shape(earlier) == shape(parameter.default):
                value = live[parameter.name]
            else:
                value = self._default(parameter.default, function.__globals__, name, at_import)
            if parameter.kind == "keyword":
                keyword[parameter.name] = value
            else:
                positional.append(value)
        return tuple(positional) or None, keyword or None

    def _default(self, node, namespace, name, at_import=True):
        names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        if not is_pure(node) or (names and not at_import):
            raise Refused("a default of %s is computed by a call, which cannot be repeated" % name)
        code = compile(ast.Expression(node), self.old.filename, "eval", dont_inherit=True)
        return eval(code, namespace, dict(self.rebound.get(id(namespace), {})))

    def _described(self, function, before, after, one, other):
        was, now = _documentation(before), _documentation(after)
        if was != now and function.__doc__ == was:
            self.plan.changes.append(to_function(function, "__doc__", now))
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and not hasattr(function, "__annotate__"):
            annotations = self._annotations(other, function.__globals__, one, function.__annotations__)
            if annotations is not None and annotations != function.__annotations__:
                self.plan.changes.append(to_function(function, "__annotations__", annotations))

    def _annotations(self, node, namespace, earlier=None, live=None):
        """The annotations that defining `node` would give, live values where the text did not change; None if unclear."""
        old = {p.name: shape(p.annotation) for p in parameters(earlier.args)} if earlier else {}
        if earlier:
            old["return"] = shape(earlier.returns)
        listed = [(p.name, p.annotation) for p in parameters(node.args)] + [("return", node.returns)]
        if earlier and {name: shape(part) for name, part in listed} == old:
            return None
        result = {}
        for name, part in listed:
            if part is None:
                continue
            if live and name in live and old.get(name) == shape(part):
                result[name] = live[name]
            elif self.new.code.co_flags & _FUTURE_ANNOTATIONS:
                result[name] = ast.unparse(part)
            elif all(isinstance(item, _ANNOTATION) for item in ast.walk(part)):
                code = compile(ast.Expression(part), self.old.filename, "eval", dont_inherit=True)
                result[name] = eval(code, namespace, dict(self.rebound.get(id(namespace), {})))
            else:
                raise Refused("an annotation of %s is computed by a call, which cannot be repeated" % node.name)
        return result

    # Names.

    def _dropped(self):
        """Names that the new source no longer has stay, because code in flight may still read them,
        unless they hide something that the new source means by the same name."""
        for scope, name, _ in self.difference.dropped_names:
            self._drop(scope, name)
        for scope, _, node in self.difference.removed_functions:
            self._drop(scope, node.name)
        for scope, name in self.difference.removed_classes:
            for namespace in self.live.namespaces:
                kind = class_of(namespace, scope + "." + name if scope else name)
                if kind is not None:
                    self.plan.retired.append(kind)
                    self.plan.retired.extend(
                        value for value in kind.__dict__.values() if type(value) is FunctionType
                    )

    def _drop(self, scope, name):
        for namespace in self.live.namespaces:
            if not scope:
                if name in namespace and (hasattr(builtins, name) or _dunder(name)):
                    self.plan.changes.append(to_namespace(namespace, name, ABSENT))
                continue
            kind = self._class(namespace, scope)
            own = _mangled(scope, name)
            inherited = any(own in base.__dict__ for base in kind.__mro__[1:])
            if own in kind.__dict__ and (inherited or _dunder(name)):
                self._ordinary(kind, scope, name)
                self.plan.changes.append(to_class(kind, own, ABSENT))

    def _class(self, namespace, scope):
        kind = class_of(namespace, scope)
        if kind is None:
            raise Refused("class %s is not found under its name, so that it cannot be changed" % scope)
        return kind

    def _ordinary(self, kind, scope, name):
        node = next((node for code, node in self._class_nodes() if self.new.qualname[id(code)] == scope), None)
        if type(kind) not in (type, abc.ABCMeta) or node is None or node.decorator_list:
            raise Refused("%s of class %s changed, and a decorator or metaclass may have read it" % (name, scope))

    def _class_nodes(self):
        return [(code, self.new.node[id(code)]) for code in self.new.codes
                if isinstance(self.new.node.get(id(code)), ast.ClassDef)]

    def _steps_in(self, namespace):
        """What needs the namespace to evaluate: [(description for people, callable)]."""
        steps = []
        for scope, code, node in self.difference.added_functions:
            steps.append(("making %s" % node.name, lambda s=scope, c=code, n=node: self._add_function(namespace, s, c, n)))
        for node in self.difference.imports:
            steps.append(("the import in line %d" % node.lineno, lambda n=node: self._import(namespace, n)))
        for scope, node, earlier in self.difference.assignments:
            steps.append(
                ("the assignment in line %d" % node.lineno,
                 lambda s=scope, n=node, e=earlier: self._assign(namespace, s, n, e))
            )
        for _, node in self.difference.added_classes:
            steps.append(("making class %s" % node.name, lambda n=node: self._add_class(namespace, n)))
        for scope, was, now in self.difference.documentation:
            steps.append(("the documentation", lambda s=scope, w=was, n=now: self._document(namespace, s, w, n)))
        return steps

    def _bind(self, namespace, name, value):
        """A new name is put in place at once, where nobody reads it yet; an existing one waits for the swap."""
        if name not in namespace:
            self.plan.stage(namespace, name, value)
            self.fresh[name] = value
        elif namespace[name] is not value:
            self._rebind(namespace, name, value)

    def star_importers(self):
        """Modules that import everything from this one get its new public names, too."""
        public = self.live.namespaces[0].get("__all__") if self.live.namespaces else None
        names = {name for name in self.fresh if not name.startswith("_") if public is None or name in public}
        if not names:
            return
        for importer in self.neighbours.importers(names):
            for name in names - set(importer.namespace) if importer.everything else ():
                self.plan.stage(importer.namespace, name, self.fresh[name])

    def _rebind(self, namespace, name, value):
        before = namespace[name]
        line = used_at_import(self.new.tree, name)
        if line and not _left_behind(before):
            raise Refused("%s changed, and line %d used it when the program started" % (name, line))
        if type(before) in (list, dict, set):
            self._holders(before, name)
        self.rebound[id(namespace)][name] = value
        self.plan.changes.append(to_namespace(namespace, name, value))
        for importer in self.neighbours.importers({name}):
            line = taken_at_import(importer, name)
            if line:
                raise Refused("%s changed, and line %d of module %s took it when it was imported" % (name, line, importer.name))
            for own, original in importer.bound.items():
                if original != name or own not in importer.namespace:
                    continue
                if importer.namespace[own] is not before:
                    raise Refused("%s changed, and module %s has made something else of its copy" % (name, importer.name))
                self.plan.changes.append(to_namespace(importer.namespace, own, value))

    def _holders(self, value, name):
        """A container that something other than module names holds would live on there with its old content."""
        allowed = {id(object.__getattribute__(module, "__dict__")) for module in list(sys.modules.values())
                   if issubclass(type(module), types.ModuleType)}
        allowed.update(id(namespace) for namespace in self.live.namespaces)
        for identity, kind in holders(value):
            if identity not in allowed and kind is not types.FrameType and kind is not type(iter([])):
                raise Refused("%s changed, and an object of type %s holds the old one" % (name, kind.__name__))

    def _import(self, namespace, node):
        results = {}
        code = compile(ast.Module([node], []), self.old.filename, "exec", dont_inherit=True)
        exec(code, namespace, results)
        for name, value in results.items():
            self._bind(namespace, name, value)

    def _assign(self, namespace, scope, node, earlier):
        overrides = self.rebound[id(namespace)]
        place = namespace
        if scope:
            kind = self._class(namespace, scope)
            place = kind.__dict__
            overrides = dict(overrides, **{key: value for key, value in place.items() if not _dunder(key)})
        before = {}
        for other in earlier:
            before.update(values_of(other, namespace, overrides if scope else None))
        for name, value in values_of(node, namespace, overrides).items():
            own = _mangled(scope, name)
            if name in before and own in place and not same_value(place[own], before[name]):
                raise Refused("%s was changed by the program itself since it started" % name)
            if name in before and same_value(before[name], value):
                continue
            if scope:
                self._ordinary(kind, scope, name)
                line = used_at_import(ast.Module(self._class_body(scope), []), name)
                if line:
                    raise Refused("%s of class %s changed, and line %d used it when the class was made" % (name, scope, line))
                self.plan.changes.append(to_class(kind, own, value))
            else:
                self._bind(namespace, name, value)

    def _class_body(self, scope):
        return next(node.body for code, node in self._class_nodes() if self.new.qualname[id(code)] == scope)

    def _add_function(self, namespace, scope, code, node):
        kind = self._class(namespace, scope) if scope else None
        own = _mangled(scope, node.name)
        existing = kind.__dict__.get(own, ABSENT) if scope else namespace.get(own, ABSENT)
        if existing is not ABSENT and not _left_behind(existing):
            raise Refused("%s is new in the source, but the running program already has that name" % node.name)
        if scope and _dunder(own):
            self._ordinary(kind, scope, own)
        if scope and own in getattr(kind, "__abstractmethods__", ()):
            raise Refused("%s is new and makes the abstract class %s complete" % (node.name, scope))
        function = self._make(namespace, code, node, kind, scope)
        if node.decorator_list:
            decorator = node.decorator_list[0].id
            if decorator in namespace:
                raise Refused("the name %s means something else in this module" % decorator)
            function = getattr(builtins, decorator)(function)
        self.plan.functions += 1
        if scope:
            self.plan.changes.append(to_class(kind, own, function))
        elif existing is not ABSENT:
            self.plan.changes.append(to_namespace(namespace, own, function))
        else:
            self._bind(namespace, own, function)

    def _make(self, namespace, code, node, kind, scope):
        if any(name != "__class__" for name in code.co_freevars):
            raise Refused("%s is new and needs variables of the statement around it" % node.name)
        filename = namespace.get("__file__") or self.old.filename
        if filename in self.versions and filename != self.old.filename:
            code = self.versions[filename][1].by_print[exact(code)]
        positional = [self._default(part, namespace, node.name) for part in node.args.defaults]
        function = FunctionType(
            code, namespace, node.name, tuple(positional) or None, tuple(types.CellType(kind) for _ in code.co_freevars)
        )
        keyword = {
            p.name: self._default(p.default, namespace, node.name)
            for p in parameters(node.args) if p.kind == "keyword" and p.default is not None
        }
        function.__kwdefaults__ = keyword or None
        function.__qualname__ = scope + "." + node.name if scope else node.name
        function.__annotations__ = self._annotations(node, namespace) or {}
        return function

    def _add_class(self, namespace, node):
        """A new class is made by running its statement, if making it touches nothing but itself."""
        existing = namespace.get(node.name, ABSENT)
        if existing is not ABSENT and not _left_behind(existing):
            raise Refused("class %s is new in the source, but the running program already has that name" % node.name)
        if node.decorator_list or node.keywords:
            raise Refused("class %s is new and has decorators or a metaclass, which run when a program starts" % node.name)
        names = {part.id for part in evaluated_at_import(ast.Module([node], [])) if isinstance(part, ast.Name)}
        if names & set(self.rebound[id(namespace)]):
            raise Refused("class %s is new and is made with a name that changes in the same swap" % node.name)
        for base in node.bases:
            if not all(isinstance(part, (ast.Name, ast.Attribute, ast.Load)) for part in ast.walk(base)):
                raise Refused("class %s is new and its bases are computed" % node.name)
            kind = eval(compile(ast.Expression(base), self.old.filename, "eval", dont_inherit=True), namespace)
            if type(kind) not in (type, abc.ABCMeta) or isinstance(kind.__init_subclass__, types.MethodType):
                raise Refused("class %s is new and its base %s takes note of its subclasses" % (node.name, kind.__name__))
        for part in node.body:
            plain = isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and all(
                isinstance(decorator, ast.Name) and decorator.id in ("staticmethod", "classmethod", "property")
                for decorator in part.decorator_list
            ) and all(is_pure(default) for default in part.args.defaults + [d for d in part.args.kw_defaults if d])
            constant = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            assigned = isinstance(part, (ast.Assign, ast.AnnAssign)) and (part.value is None or is_pure(part.value))
            if not (plain or constant or assigned or isinstance(part, ast.Pass)):
                raise Refused("class %s is new and line %d runs when it is made" % (node.name, part.lineno))
        filename = namespace.get("__file__") or self.old.filename
        results = {}
        flags = self.new.code.co_flags & _FUTURE
        exec(compile(ast.Module([node], []), filename, "exec", flags, dont_inherit=True), namespace, results)
        if existing is not ABSENT:
            self.plan.changes.append(to_namespace(namespace, node.name, results[node.name]))
        else:
            self._bind(namespace, node.name, results[node.name])

    def _document(self, namespace, scope, was, now):
        if not scope:
            if namespace.get("__doc__") == _compiled_documentation(was):
                self.plan.changes.append(to_namespace(namespace, "__doc__", _compiled_documentation(now)))
            return
        kind = class_of(namespace, scope)
        if kind is not None and kind.__dict__.get("__doc__") == _compiled_documentation(was):
            self.plan.changes.append(to_class(kind, "__doc__", _compiled_documentation(now)))


def _redefined(old, new, alignment):
    """Code objects whose definition has other parameters, defaults or annotations, which the code need not show."""
    found = set()
    for code in old.codes:
        one, other = old.node.get(id(code)), new.node.get(id(alignment.pairs.get(id(code))))
        if one is None or other is None or isinstance(one, ast.ClassDef) or type(one) is not type(other):
            continue
        if shape(one.args) != shape(other.args) or shape(getattr(one, "returns", None)) != shape(getattr(other, "returns", None)):
            found.add(id(code))
    return found


def refit(function, before, after, defaults, owner):
    """(Change, None) that makes the function run `after` instead of `before`, or (None, reason)."""
    if after.co_freevars == before.co_freevars:
        return to_function(function, "__code__", after), None
    cells = dict(zip(before.co_freevars, function.__closure__ or ()))
    if "__class__" in after.co_freevars and "__class__" not in cells:
        kind = owner(function.__globals__)
        if kind is not None:
            cells["__class__"] = types.CellType(kind)
    missing = [name for name in after.co_freevars if name not in cells]
    if missing:
        return None, "an existing closure would need %s of a call that has ended" % ", ".join(missing)
    closure = tuple(cells[name] for name in after.co_freevars)
    target = FunctionType(after, function.__globals__, function.__name__, None, closure)
    target.__defaults__, target.__kwdefaults__ = defaults or (function.__defaults__, function.__kwdefaults__)
    target.__qualname__ = function.__qualname__
    code = trampoline.build(after, len(before.co_freevars), target)
    if code is None:
        return None, "an asynchronous generator cannot get other free variables while it lives"
    return to_function(function, "__code__", code), None


def _left_behind(value):
    inner = getattr(value, "__func__", None) if type(value) in (staticmethod, classmethod) else value
    if type(value) is property:
        inner = value.fget
    try:
        return inner in left_behind
    except TypeError:
        return False


def _first_line(node):
    decorators = getattr(node, "decorator_list", None)
    return decorators[0].lineno if decorators else node.lineno


def _dunder(name):
    return name.startswith("__") and name.endswith("__")


def _mangled(scope, name):
    if not scope or not name.startswith("__") or name.endswith("__"):
        return name
    return "_" + scope.rpartition(".")[2].lstrip("_") + name


def same_signature(one, other):
    return _signature(one) == _signature(other)


def _signature(code):
    count = code.co_argcount + code.co_kwonlyargcount
    return code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x0C, code.co_varnames[:count]


def _documentation(code):
    return FunctionType(code, {}, None, None, tuple(types.CellType() for _ in code.co_freevars)).__doc__


def _compiled_documentation(text):
    """A docstring as the compiler leaves it: from 3.13 on without its indentation, and none with -OO."""
    if text is None:
        return None
    namespace = {}
    module = ast.fix_missing_locations(ast.Module([ast.Expr(ast.Constant(text))], []))
    exec(compile(module, "<homeostasis>", "exec", dont_inherit=True), namespace)
    return namespace.get("__doc__")


_ANNOTATION = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.BinOp, ast.BitOr, ast.Load)
_ANNOTATION += tuple(kind for kind in (getattr(ast, "Index", None),) if kind is not None)


def _future_flags():
    import __future__

    return (
        sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names
            if name not in ("nested_scopes", "generators")),
        __future__.annotations.compiler_flag,
    )


_FUTURE, _FUTURE_ANNOTATIONS = _future_flags()
