"""What a file must look like by its name, where nobody has told its sha256.

A proxy, a portal or a broken mirror answers any request with a page of its own and HTTP 200.
"""

import re
from pathlib import Path

from kerasformer.errors import UserError
from kerasformer.files import read_json

_MAGIC = {  # the first bytes of formats
    ".h5": rb"\x89HDF\r\n\x1a\n",
    ".hdf5": rb"\x89HDF\r\n\x1a\n",
    ".keras": rb"PK\x03\x04",
    ".npz": rb"PK\x03\x04",
    ".safetensors": rb"[\0-\xff]{6}\0\0\{",  # the length of a header of JSON, as eight bytes
    ".zip": rb"PK\x03\x04",
}
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", flags=re.IGNORECASE)


def unlike(name: str, path: Path) -> str:
    """Why the content at a path is not that of a file of this name, in a few words, or "".

    >>> path = getfixture("tmp_path") / "blob"
    >>> _ = path.write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
    >>> unlike("model.safetensors", path), unlike("vocab.txt", path)
    ('is a web page', 'is a web page')
    """
    with open(path, "rb") as stream:
        beginning = stream.read(256)
    if _PAGE.match(beginning) and not name.endswith((".md", ".html", ".xml")):
        return "is a web page"
    suffix = Path(name).suffix.lower()
    if suffix in _MAGIC and not re.match(_MAGIC[suffix], beginning, flags=re.DOTALL):
        return f"does not begin as a {suffix} file does"
    if suffix == ".json":
        try:
            read_json(path, object)
        except UserError:
            return "is not valid JSON"
    return ""
