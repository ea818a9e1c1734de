"""The state of objects of libraries that do not keep it in fields: rows of SQLAlchemy, arrays of numpy, tables of pandas, sockets.

Only attributes written in C are read, so that no class of the program takes part; what cannot be read so is left out.
"""

from itertools import islice

from . import values
from .objects import MAX_ITEMS, native, read

HEAD = 5
# Beginning with this number data types of numpy are made by others.
_FIRST_FOREIGN_TYPE = 256


def writer_of(class_, lineage):
    for base in lineage:
        module, name = values.class_names(base)
        known = _writers.get((module.partition(".")[0], name))
        if known is not None:
            return known
    return None


def _row(value):
    """A row of a result: its columns by name."""
    data, places = read(value, "_data"), read(value, "_key_to_index")
    if type(data) is not tuple:
        return {}, None, None
    fields = {}
    if type(places) is dict:
        for name, place in islice(places.items(), 2 * MAX_ITEMS):
            if type(name) is str and type(place) is int and 0 <= place < len(data):
                fields[name] = data[place]
    return fields, None if fields else data, len(data)


def _array(value):
    """Data type, shape and first elements, in the order of rows."""
    fields = {"dtype": _type_name(value), "shape": read(value, "shape")}
    size = read(value, "size")
    return fields, _elements(value, range(min(size or 0, MAX_ITEMS))), size


def _type_name(array):
    dtype = read(array, "dtype")
    return read(dtype, "str") if dtype is not None else None


def _elements(array, places):
    """Elements by their places, or None where reading them could run code that is not of numpy."""
    item = native(type(array), "item")
    number = read(read(array, "dtype"), "num")
    if item is None or type(number) is not int or number >= _FIRST_FOREIGN_TYPE:
        return None
    return [item(array, place) for place in places]


def _scalar(value):
    item = native(type(value), "item")
    content = item(value) if item is not None else None
    # Some have no equal of Python's own and give themselves.
    return {}, content if type(content) is not type(value) else None, None


def _table(value):
    """Shape, types by column and the first rows by column."""
    manager = _part(value, "_mgr")
    columns, index = read(manager, "axes")
    length, width = _length_of_axis(index), _length_of_axis(columns)
    names = _first_of_axis(columns, MAX_ITEMS)
    types, head = {}, {}
    for block in read(manager, "blocks"):
        array = _array_of(read(block, "values"))
        places = read(read(block, "_mgr_locs"), "as_array")
        for row, place in enumerate(_elements(places, range(min(read(places, "size"), MAX_ITEMS)))):
            if place >= len(names) or not values.is_one_of(type(names[place]), _scalars):
                continue
            types[names[place]] = _name_of_type(read(block, "values"))
            if array is not None:
                head[names[place]] = _first_of_row(array, row, min(length or 0, HEAD))
    fields = {"shape": (length, width), "columns": names, "dtypes": types, "head": head}
    return fields, None, length


def _column(value):
    """Name, type and first elements."""
    manager = _part(value, "_mgr")
    block = _part(manager, "blocks")[0]
    length = _length_of_axis(_part(manager, "axes")[0])
    array = _array_of(read(block, "values"))
    head = _first_of_row(array, 0, min(length or 0, HEAD)) if array is not None else None
    fields = {"name": _part(value, "_name"), "dtype": _name_of_type(read(block, "values")), "head": head}
    return fields, None, length


def _part(value, name):
    stored = values._raw_dictionary(value, type(value))
    if stored is not None and name in stored:
        return dict.get(stored, name)
    return read(value, name)


_scalars = (str, int, float, bool, type(None))


def _array_of(content):
    """The array of numpy in which pandas keeps this content; None when there is none."""
    if _is_array(content):
        return content
    inner = read(content, "_ndarray")
    return inner if _is_array(inner) else None


def _is_array(thing):
    return values.class_names(type(thing)) == ("numpy", "ndarray") and native(type(thing), "item") is not None


def _name_of_type(content):
    return _type_name(content) if _is_array(content) else values.class_name(type(content))


def _first_of_row(array, row, count):
    shape = read(array, "shape")
    if len(shape) == 1:
        return _elements(array, range(count))
    return _elements(array, [row * shape[1] + place for place in range(count)])


def _length_of_axis(axis):
    stored = values._raw_dictionary(axis, type(axis))
    numbers = dict.get(stored, "_range")
    if type(numbers) is range:
        return len(numbers)
    array = _array_of(dict.get(stored, "_data"))
    return read(array, "size") if array is not None else None


def _first_of_axis(axis, count):
    stored = values._raw_dictionary(axis, type(axis))
    numbers = dict.get(stored, "_range")
    if type(numbers) is range:
        return list(numbers[:count])
    array = _array_of(dict.get(stored, "_data"))
    if array is None:
        return []
    return _elements(array, range(min(read(array, "size"), count))) or []


def _nothing(value):
    return None


_writers = {
    ("sqlalchemy", "BaseRow"): _row,
    ("numpy", "ndarray"): _array,
    ("numpy", "generic"): _scalar,
    ("pandas", "DataFrame"): _table,
    ("pandas", "Series"): _column,
    ("_socket", "socket"): _nothing,
}
