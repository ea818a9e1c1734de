"""Known immutable values as text that says all of them, and such values made again from their text; no class of the program takes part in writing."""

import sys
import types

# Ends a text that does not say all.
UNKNOWN = "[?]"

_mro_of = type.__dict__["__mro__"].__get__
_is_base_of = type.__dict__["__subclasscheck__"]
_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__qualname__"].__get__
_own_names_of = type.__dict__["__dict__"].__get__


def writer_of(class_):
    """The function that writes values of exactly this class; None for a class that is not known."""
    writer = _builtin_writers.get(id(class_))
    if writer is not None:
        return writer
    try:
        module = _module_of(class_)
    except Exception:
        return None
    make = _writers.get((module, _name_of(class_))) if type(module) is str else None
    if make is not None and _is_that_of(module, class_):
        return make
    enum = sys.modules.get("enum")
    if enum is not None and _is_base_of(enum.EnumMeta, type(class_)):
        return _member_text
    return None


def base_of(class_):
    """The class of dates or times that this one derives from, with the function that writes its values as such; None for others."""
    datetime = sys.modules.get("datetime")
    if type(datetime) is not types.ModuleType:
        return None
    for name in ("datetime", "date", "time", "timedelta"):
        base = datetime.__dict__.get(name)
        if type(base) is type and _is_base_of(base, class_):
            return "datetime." + name, _writer_as(base, _writers["datetime", name], _parts[name])
    return None


def _writer_as(base, write, parts):
    def write_as(value):
        return write(base(**{part: getattr(base, part).__get__(value) for part in parts}))

    return write_as


_parts = {
    "datetime": ("year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo", "fold"),
    "date": ("year", "month", "day"),
    "time": ("hour", "minute", "second", "microsecond", "tzinfo", "fold"),
    "timedelta": ("days", "seconds", "microseconds"),
}


def _is_that_of(module, class_):
    """Is this the class that the module itself has under this name? Any class may call itself so."""
    loaded = sys.modules.get(module.partition(".")[0])
    return type(loaded) is types.ModuleType and loaded.__dict__.get(_name_of(class_)) is class_


def _range_text(value):
    parts = (value.start, value.stop) if value.step == 1 else (value.start, value.stop, value.step)
    return "range(%s)" % ", ".join(map(int.__repr__, parts))


def _native_text(value):
    return type(value).__str__(value)


def _fraction_text(value):
    return "%d/%d" % (value._numerator, value._denominator)


def _date_time_text(value):
    """In ISO format, followed by the name of its zone in brackets; a zone of the program's making is not asked."""
    datetime = sys.modules["datetime"]
    class_ = type(value)
    zone = value.tzinfo
    if zone is None:
        return class_.isoformat(value)
    name = _zone_name(zone, datetime)
    if name is None:
        return class_.isoformat(value.replace(tzinfo=None)) + UNKNOWN
    return class_.isoformat(value) + ("[%s]" % name if name else "")


def _zone_name(zone, datetime):
    """The key of a zone, `=name` for a named fixed offset, nothing where the offset says all, None for one that is not known."""
    if type(zone) is datetime.timezone:
        return _offset_name(zone, datetime)
    zoneinfo = sys.modules.get("zoneinfo")
    if zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo:
        return zone.key if type(zone.key) is str else None
    return None


def _offset_name(zone, datetime):
    name = zone.tzname(None)
    return "" if name == datetime.timezone(zone.utcoffset(None)).tzname(None) else "=" + name


def _timezone_text(value):
    datetime = sys.modules["datetime"]
    name = _offset_name(value, datetime)
    return datetime.timezone(value.utcoffset(None)).tzname(None) + ("[%s]" % name if name else "")


def _zone_text(value):
    return value.key if type(value.key) is str else UNKNOWN


def _member_text(value):
    """A member of an enumeration by name; flags of several by all their names, or where they have none, by number."""
    stored = _stored(value)
    name = stored.get("_name_")
    if type(name) is str:
        return name
    number = stored.get("_value_")
    return int.__repr__(number) if type(number) is int else UNKNOWN


def _stored(value):
    for base in _mro_of(type(value)):
        descriptor = _own_names_of(base).get("__dict__")
        if type(descriptor) is types.GetSetDescriptorType:
            return descriptor.__get__(value, type(value))
    return {}


_builtin_writers = {
    id(complex): complex.__repr__,
    id(range): _range_text,
    id(type(Ellipsis)): lambda value: "Ellipsis",
    id(type(NotImplemented)): lambda value: "NotImplemented",
}

_writers = {
    ("decimal", "Decimal"): _native_text,
    ("fractions", "Fraction"): _fraction_text,
    ("datetime", "date"): _native_text,
    ("datetime", "timedelta"): _native_text,
    ("datetime", "datetime"): _date_time_text,
    ("datetime", "time"): _date_time_text,
    ("datetime", "timezone"): _timezone_text,
    ("zoneinfo", "ZoneInfo"): _zone_text,
    ("uuid", "UUID"): _native_text,
}
for _module in ("pathlib", "pathlib._local"):
    for _class in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"):
        _writers[_module, _class] = _native_text
for _class in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"):
    _writers["ipaddress", _class] = _native_text


# In a replay


def made(class_, text):
    """The value of this class that was written as `text`."""
    module, name = class_.__module__, class_.__name__
    if class_ is complex:
        return complex(text)
    if class_ is range:
        return range(*map(int, text[len("range(") : -1].split(",")))
    make = _makers.get((module, name))
    if make is not None:
        return make(class_, text)
    if (module, name) in _writers:
        return class_(text)
    return _member(class_, text)


def _made_date_time(class_, text):
    text, bracket, name = text.partition("[")
    name = name.rstrip("]")
    made = class_.fromisoformat(text)
    if not bracket:
        return made
    if name.startswith("="):
        from datetime import timezone

        return made.replace(tzinfo=timezone(made.utcoffset(), name[1:]))
    from zoneinfo import ZoneInfo

    offset = made.utcoffset()
    made = made.replace(tzinfo=ZoneInfo(name))
    # Where clocks are set back an hour comes twice; the offset tells which it was.
    return made if offset is None or made.utcoffset() == offset else made.replace(fold=1)


def _made_timedelta(class_, text):
    days, _, clock = text.rpartition(", ")
    hours, minutes, seconds = clock.split(":")
    seconds, _, fraction = seconds.partition(".")
    return class_(
        days=int(days.split()[0]) if days else 0, hours=int(hours), minutes=int(minutes), seconds=int(seconds),
        microseconds=int(fraction or 0),
    )


def _made_timezone(class_, text):
    from datetime import datetime

    text, _, name = text.partition("[")
    zone = datetime.fromisoformat("2000-01-01T00:00:00" + (text[len("UTC") :] or "+00:00")).tzinfo
    return class_(zone.utcoffset(None), name[1:-1]) if name else zone


_makers = {
    ("datetime", "datetime"): _made_date_time,
    ("datetime", "time"): _made_date_time,
    # Before 3.11 `fromisoformat` is all that a date understands, and it is all that is needed.
    ("datetime", "date"): lambda class_, text: class_.fromisoformat(text),
    ("datetime", "timedelta"): _made_timedelta,
    ("datetime", "timezone"): _made_timezone,
}


def _member(class_, text):
    """A member of an enumeration by name, or flags of several."""
    members = class_.__dict__["_member_map_"]
    if text in members:
        return members[text]
    number = 0
    for part in text.split("|"):
        number |= members[part]._value_ if part in members else int(part)
    return class_(number)
