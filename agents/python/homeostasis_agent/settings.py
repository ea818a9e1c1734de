"""What the user wants watched, left out and hidden in this process; it knows nothing of frames or requests."""

import os
import sys

agent_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# co_filename of a script may be relative to the folder the process started in.
try:
    started_in = os.getcwd()
except OSError:
    started_in = "/"
root = os.environ.get("HOMEOSTASIS_ROOT") or started_in

sample_rate = 1.0
exclude_modules = ()
exclude_error_types = ()
exclude_paths = ()
redact_names = ()

# Is an exception that the program caught and logged a failure?
logged = True
# A callable of the program that gets each event before it is sent.
before_send = None

# Does this process serve requests? Does it work off jobs?
serving = False
working = False

_in_app = {}
# What the last welcome said, and what the program itself has set.
_told = {}
_in_code = {}


def apply(config):
    """Take over the `config` of a `welcome`; what is absent or malformed keeps its default."""
    global _told
    if isinstance(config, dict):
        _told = config
        _combine()


def apply_in_code(options):
    """Take over what the program has set: it goes before what a welcome says, but for lists, which add up."""
    for name, value in options.items():
        _in_code[name] = _in_code.get(name, []) + value if isinstance(value, list) else value
    _combine()


def _combine():
    global root, sample_rate, exclude_modules, exclude_error_types, exclude_paths, redact_names, logged, before_send
    for source in (_told, _in_code):
        if isinstance(source.get("root"), str) and source["root"]:
            root = source["root"]
            _in_app.clear()
        rate = source.get("sample_rate")
        if isinstance(rate, (int, float)) and not isinstance(rate, bool):
            sample_rate = min(1.0, max(0.0, float(rate)))
    exclude_modules = _texts("exclude_modules")
    exclude_error_types = _texts("exclude_error_types")
    exclude_paths = _texts("exclude_paths")
    redact_names = _texts("redact_names")
    logged = _in_code.get("capture_logged", True)
    before_send = _in_code.get("before_send")


def _texts(name):
    found = []
    for source in (_told, _in_code):
        value = source.get(name)
        if isinstance(value, list):
            found.extend(text for text in value if isinstance(text, str) and text and text not in found)
    return tuple(found)


def absolute(filename):
    """The path of a code object's file; names like `<string>` are left as they are."""
    if filename.startswith("<") or filename.startswith("/"):
        return filename
    return os.path.normpath(os.path.join(started_in, filename))


def in_app(filename):
    """Is this the user's own code: under the project root, and in no package folder?"""
    known = _in_app.get(filename)
    if known is None:
        if len(_in_app) > 5000:
            _in_app.clear()
        known = _in_app[filename] = _decide_in_app(filename)
    return known


def _decide_in_app(filename):
    if filename.startswith("<"):
        return False
    path = absolute(filename)
    roots = {root.rstrip("/"), os.path.realpath(root).rstrip("/")}
    if not any(path.startswith(folder + "/") for folder in roots):
        return False
    if "/site-packages/" in path or "/dist-packages/" in path:
        return False
    # Compiled modules of libraries name their sources by paths that are nowhere.
    if not path.endswith(".py") and not os.path.exists(path):
        return False
    standard_library = os.path.dirname(os.__file__)
    foreign = [agent_folder, standard_library]
    # A virtual environment inside the project is not the project; a project inside the prefix still is.
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix):
        if not any((folder + "/").startswith(prefix.rstrip("/") + "/") for folder in roots):
            foreign.append(prefix)
    return not any(path.startswith(folder.rstrip("/") + "/") for folder in foreign)


def excluded_path(path):
    """Did the user leave this request path out? Patterns are shell globs; a plain path covers all below it."""
    if not exclude_paths:
        return False
    from fnmatch import fnmatchcase

    return any(
        fnmatchcase(path, pattern) or path.startswith(pattern.rstrip("/") + "/") for pattern in exclude_paths
    )


def excluded_type(class_, names_of):
    """Did the user leave out this exception type, or one of its bases, by short or full name?"""
    if not exclude_error_types:
        return False
    for base in type.__dict__["__mro__"].__get__(class_):
        module, name = names_of(base)
        if name in exclude_error_types or module + "." + name in exclude_error_types:
            return True
    return False


def excluded_module(name):
    return any(name == module or name.startswith(module + ".") for module in exclude_modules)
