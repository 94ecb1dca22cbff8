"""Lists and structs of Arrow: what may be in them, and how large they are as Python's objects."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from kerasformer.errors import UserError
from kerasformer.files import parse_json

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


def names_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """The names of the numbers in columns of lists, which the library `datasets` writes into files.

    >>> text = b'{"info": {"features": {"tags": {"feature": {"names": ["O", "B-person"]}}}}}'
    >>> names_of({b"huggingface": text})
    {'tags': ['O', 'B-person']}
    """
    found: Any = {}
    with contextlib.suppress(UserError):  # they are told by the way
        found = parse_json((metadata or {}).get(b"huggingface", b"{}"), "its metadata")
    names = {}
    for column, feature in _of(_of(_of(found, "info"), "features")).items():
        listed = _of(_of(feature, "feature")).get("names")
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
            names[column] = listed
    return names


def _of(value, key=None) -> dict:
    """A value, or that of a key in it, where it is a dict; else none."""
    value = value if isinstance(value, dict) else {}
    return value if key is None else _of(value.get(key))


def named(cell: Any, names: Sequence[str]) -> Any:
    """A list of numbers as their names, where each has one."""
    if not isinstance(cell, list):
        return cell
    return [names[n] if type(n) is int and 0 <= n < len(names) else n for n in cell]


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
