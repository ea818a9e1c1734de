"""What planning works on and makes: the plan, one file's part of it, and the refusal; it decides nothing itself."""

import types
import weakref

from .align import align
from .change import ABSENT, to_namespace
from .copies import Neighbours
from .difference import compare
from .identify import class_of
from .source import Source

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


class Part:
    """One file's part of a plan: its sources and their difference, what lives of it, and what planning found so far.

    `versions` holds, for each name under which the file was loaded, both sources compiled under that name and their
    alignment; `rebound` the values of names that exist and are bound anew, by namespace, for expressions planned
    later; `fresh` the new names of the module.
    """

    def __init__(self, plan, old, new, live, seen, undoing):
        self.plan = plan
        self.old = old
        self.new = new
        self.live = live
        self.seen = seen
        self.alignment = align(old, new)
        self.difference = compare(old, new, self.alignment, undoing, [line for _, line in live.bodies])
        self.versions = {old.filename: (old, new, self.alignment)}
        self.neighbours = Neighbours(live.namespaces)
        self.rebound = {id(namespace): {} for namespace in live.namespaces}
        self.fresh = {}

    def version(self, filename):
        if filename not in self.versions:
            old, new = Source(self.old.data, filename), Source(self.new.data, filename)
            self.versions[filename] = (old, new, align(old, new))
        return self.versions[filename]


def defined_class(part, namespace, scope):
    kind = class_of(namespace, scope)
    if kind is None:
        raise Refused("class %s is not found under its name, so that it cannot be changed" % scope)
    return kind


def is_left_behind(value):
    inner = getattr(value, "__func__", None) if type(value) in (staticmethod, classmethod) else value
    if type(value) is property:
        inner = value.fget
    try:
        return inner in left_behind
    except TypeError:
        return False
