"""Plans the binding of names in modules, with everyone who has copied them; what is bound is worked out elsewhere."""

import sys
import types

from .change import to_namespace
from .copies import taken_at_import
from .live import holders
from .planned import Refused, is_left_behind
from .scope import used_at_import


def bind(part, namespace, name, value):
    """A new name is put in place at once, where nobody reads it yet; an existing one waits for the swap."""
    if name not in namespace:
        part.plan.stage(namespace, name, value)
        part.fresh[name] = value
    elif namespace[name] is not value:
        _rebind(part, namespace, name, value)


def give_to_star_importers(part):
    """Modules that import everything from this one get its new public names, too."""
    public = part.live.namespaces[0].get("__all__") if part.live.namespaces else None
    names = {name for name in part.fresh if not name.startswith("_") if public is None or name in public}
    if not names:
        return
    for importer in part.neighbours.importers(names):
        for name in names - set(importer.namespace) if importer.everything else ():
            part.plan.stage(importer.namespace, name, part.fresh[name])


def _rebind(part, namespace, name, value):
    before = namespace[name]
    line = used_at_import(part.new.tree, name)
    if line and not is_left_behind(before):
        raise Refused("%s changed, and line %d used it when the program started" % (name, line))
    if type(before) in (list, dict, set):
        _holders(part, before, name)
    part.rebound[id(namespace)][name] = value
    part.plan.changes.append(to_namespace(namespace, name, value))
    for importer in part.neighbours.importers({name}):
        line = taken_at_import(importer, name)
        if line:
            raise Refused("%s changed, and line %d of module %s took it when it was imported" % (name, line, importer.name))
        for own, original in importer.bound.items():
            if original != name or own not in importer.namespace:
                continue
            if importer.namespace[own] is not before:
                raise Refused("%s changed, and module %s has made something else of its copy" % (name, importer.name))
            part.plan.changes.append(to_namespace(importer.namespace, own, value))


def _holders(part, value, name):
    """A container that something other than module names holds would live on there with its old content."""
    allowed = {id(object.__getattribute__(module, "__dict__")) for module in list(sys.modules.values())
               if issubclass(type(module), types.ModuleType)}
    allowed.update(id(namespace) for namespace in part.live.namespaces)
    for identity, kind in holders(value):
        if identity not in allowed and kind is not types.FrameType and kind is not type(iter([])):
            raise Refused("%s changed, and an object of type %s holds the old one" % (name, kind.__name__))
