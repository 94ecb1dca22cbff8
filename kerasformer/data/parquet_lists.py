"""Lists and structs of Arrow: what may be in them, and how large they are as Python's objects."""

from typing import Any

_OBJECT = 64  # bytes of a short string or a number, and its place in a list


def is_plain(kind: Any) -> bool:
    """Whether a type of Arrow is of strings and numbers, in lists or structs or by themselves."""
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return all(is_plain(kind.field(i).type) for i in range(kind.num_fields))
    if _is_list(kind) or pyarrow.types.is_dictionary(kind):
        return is_plain(kind.value_type)
    types = pyarrow.types
    of = (types.is_string, types.is_large_string, types.is_integer, types.is_floating)
    return any(test(kind) for test in (*of, types.is_boolean))


def size_of(array: Any) -> int:
    """About how many bytes an array takes as Python's objects."""
    import pyarrow
    from pyarrow import compute

    types, own = pyarrow.types, _OBJECT * len(array)
    if types.is_struct(array.type):
        return own + sum(map(size_of, array.flatten()))
    if _is_list(array.type):
        return own + size_of(array.flatten())
    if types.is_dictionary(array.type):
        lengths = compute.binary_length(array.dictionary)
        return own + (compute.sum(lengths.take(array.indices)).as_py() or 0)
    if types.is_string(array.type) or types.is_large_string(array.type):
        return own + (compute.sum(compute.binary_length(array)).as_py() or 0)
    return own


def weight(cell: Any) -> int:
    """The characters of a cell, and one for each value in its lists."""
    if isinstance(cell, str | bytes):
        return len(cell)
    if isinstance(cell, dict):
        return sum(map(weight, cell.values()))
    return len(cell) + sum(map(weight, cell)) if isinstance(cell, list) else 0


def _is_list(kind):
    import pyarrow

    return pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind)
