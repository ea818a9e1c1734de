"""What forbids a swap of a file as a whole in this process, beyond what its two sources tell; changes nothing."""

import ast

from .copies import called_by
from .identify import class_of
from .live import instances
from .planned import Refused
from .scope import bound_by
from .source import OPTIMIZED, exact, own_meaning


def check(part):
    if part.live.importing:
        raise Refused("%s is being imported at this moment" % part.old.filename, passing=True)
    if part.difference.refusals:
        raise Refused("; ".join(list(dict.fromkeys(part.difference.refusals))[:5]))
    _body_in_progress(part)
    _constructors(part)
    _elsewhere(part)


def _body_in_progress(part):
    """A module body that has not ended may still make functions of its old code, and bind names anew."""
    for _, line in part.live.bodies:
        for number, statement in enumerate(part.old.tree.body):
            following = part.old.tree.body[number + 1] if number + 1 < len(part.old.tree.body) else None
            if following is None or _first_line(following) > line:
                break
        else:
            continue
        rest = part.old.tree.body[number:]
        since = _first_line(statement)
        for code in part.old.codes:
            if code.co_firstlineno >= since and part.old.at_import(code) and not _unchanged(part, code):
                raise Refused(
                    "the module is still running its own body in line %d, and defines %s there or later"
                    % (line, part.old.qualname[id(code)])
                )
        to_come = {id(node) for later in rest for node in ast.walk(later)}
        for _, node, earlier in part.difference.assignments:
            if any(id(other) in to_come for other in earlier):
                raise Refused("the module is still running its own body and binds %s later" % bound_by(node)[0])


def _unchanged(part, code):
    other = part.alignment.pairs.get(id(code))
    return other is not None and exact(other) == exact(code)


def _constructors(part):
    for scope, names in part.difference.constructors:
        kinds = [kind for kind in (class_of(space, scope) for space in part.live.namespaces) if kind is not None]
        names = [name for name in names if not all(hasattr(kind, name) for kind in kinds)]
        if names and (not kinds or instances(kinds)):
            raise Refused(
                "the constructor of %s now sets %s, and objects made before would lack it" % (scope, ", ".join(names))
            )


def _elsewhere(part):
    """Other modules that called a changed function when they were imported."""
    names = set()
    for code in part.old.codes:
        other = part.alignment.pairs.get(id(code))
        if other is None or own_meaning(other) == own_meaning(code) or not code.co_flags & OPTIMIZED:
            continue
        parent = part.old.parent[id(code)]
        if parent is part.old.code and not code.co_name.startswith("<"):
            names.add(code.co_name)
        elif code.co_name in ("__init__", "__new__", "__post_init__") and part.old.parent[id(parent)] is part.old.code:
            names.add(parent.co_name)
    if not names:
        return
    for importer in part.neighbours.importers(names):
        for name in sorted(names):
            line = called_by(importer, name)
            if line:
                raise Refused(
                    "%s changed, and line %d of module %s used it when the program started; "
                    "that cannot be done again" % (name, line, importer.name)
                )


def _first_line(node):
    decorators = getattr(node, "decorator_list", None)
    return decorators[0].lineno if decorators else node.lineno
