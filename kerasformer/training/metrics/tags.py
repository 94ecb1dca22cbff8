"""The entities that sequences of tags such as B-PER, I-PER, O mark, as seqeval reads them."""

import itertools
from collections.abc import Sequence

import numpy as np

from kerasformer.errors import UserError

# For each scheme of tags: which pairs of a tag and the next one start an entity at the second,
# carry it on, and end it before the second. A pair is two letters and whether the types must be
# the same (=), must differ (!) or may be any (?); a dot stands for any letter.
_SCHEMES = {
    "IOB1": ("OI? II! BI? IB= BB=", "BI= II=", "II! IO? IB? BO? BI! BB="),
    "IOB2": (".B?", "BI= II=", "IO? II! IB? BO? BI! BB?"),
    "IOE1": ("OI? II! EI? EE=", "II= IE=", "II! IO? IE! EI= EE="),
    "IOE2": ("OI? OE? EI? EE? II! IE!", "IE= II=", "E.?"),
    "IOBES": (".B? .S?", "BI= BE= II= IE=", "S.? E.?"),
    "BILOU": (".B? .U?", "BI= BL= II= IL=", "U.? L.?"),
}
SCHEMES = tuple(_SCHEMES)
# The same for tags that may break any scheme, as conlleval.pl reads them. Any other two letters
# start and end an entity where the types differ.
_ANY_SCHEME = (".B? .S? EE= EI= SE= SI= OE? OI?", "E.? S.? BB= BS= BO= IB= IS= IO=")


def tag_spans(
    tags: Sequence[Sequence[str]], scheme: str | None = None
) -> list[list[tuple[str, int, int]]]:
    """The entities of sentences.

    Without a scheme any tags are read, as seqeval and conlleval.pl do by default: an `I-` that
    nothing began begins an entity. With one, what breaks it is no entity, as in seqeval's strict
    mode. Ramshaw & Marcus, https://arxiv.org/abs/cmp-lg/9505040; Nakayama,
    https://github.com/chakki-works/seqeval.

    Args:
        tags: The tags of each sentence's words, such as `"B-PER"` and `"O"`.
        scheme: "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU", or None for any tags.

    Returns:
        For each sentence its entities: type, first word, and the word after the last one.

    Raises:
        UserError: The scheme is unknown, a tag is empty, or its letter is none of the scheme's.

    Example:

    >>> tag_spans([["I-PER", "I-PER", "O", "B-LOC"]])
    [[('PER', 0, 2), ('LOC', 3, 4)]]
    >>> tag_spans([["I-PER", "I-PER", "O", "B-LOC"]], scheme="IOB2")
    [[('LOC', 3, 4)]]
    """
    lengths = np.array([len(sentence) for sentence in tags], int)
    places = np.concatenate([[0], np.cumsum(lengths + 1)])  # of the sentences' first words
    names, types, first, stop = flat_spans(tags, scheme)
    sentences = np.searchsorted(places, stop, side="left") - 1
    first, stop = np.maximum(first - places[sentences], 0), stop - places[sentences]
    spans: list[list[tuple[str, int, int]]] = [[] for _ in tags]
    rows = zip(sentences.tolist(), types.tolist(), first.tolist(), stop.tolist(), strict=True)
    for sentence, kind, begin, end in rows:
        spans[sentence].append((names[kind], begin, end))
    return spans


def flat_spans(
    tags: Sequence[Sequence[str]], scheme: str | None = None
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """The entities of sentences laid one after another, an "O" after each.

    Returns:
        The names of the types; and in order of each entity the index of its type, its first word
        and the word after its last one, counted through all sentences and their "O"s.
    """
    if scheme is not None and scheme not in _SCHEMES:
        raise UserError(f"scheme is {scheme!r}, and must be one of {', '.join(SCHEMES)} or None.")
    known: dict[str, int] = {"O": 0}
    flat = itertools.chain.from_iterable((*sentence, "O") for sentence in tags)
    ids = np.array([0, *(known.setdefault(tag, len(known)) for tag in flat)], int)
    if "" in known:
        raise UserError("A tag is empty: give each word one, such as B-PER, or O for no entity.")
    types = [_type(tag, scheme) for tag in known]
    names = sorted(set(types))
    number = {name: i for i, name in enumerate(names)}
    kinds = np.array([number[name] for name in types], int)
    letters = [tag[0] for tag in known]
    if scheme is None:
        found = _read_any(ids, letters, kinds)
    else:
        allowed = {"O", *"".join(_SCHEMES[scheme])} & set("BIESOLU")
        if wrong := next((tag for tag in known if tag[0] not in allowed), None):
            raise UserError(
                f"The tag {wrong!r} is not of the scheme {scheme}, whose tags begin with "
                f"{', '.join(sorted(allowed))}: give another scheme, or None for any tags."
            )
        found = _read_strictly(ids, letters, kinds, scheme)
    first, stop, of_type = found
    return names, kinds[ids[of_type]], first - 1, stop - 1


def _type(tag, scheme):
    """What follows the letter, without the hyphen; seqeval's two modes differ in odd cases."""
    if scheme is None:
        return tag[1:].split("-", 1)[-1] or "_"
    return tag[1:].strip("-") or "_"


def _read_any(ids, letters, kinds):
    """Begin, end and a word of the type of each entity, of tags of no certain scheme."""
    starts, ends = (_pairs(letters, kinds, patterns) for patterns in _ANY_SCHEME)
    differ = kinds[:, None] != kinds
    is_outside = np.array([letter in "O." for letter in letters])
    starts |= differ & ~is_outside
    ends |= differ & ~is_outside[:, None]
    before, now = ids[:-1], ids[1:]
    places = np.arange(1, len(ids))
    begun = np.maximum.accumulate(np.where(starts[before, now], places, 1))
    stop = places[ends[before, now]]
    return begun[stop - 2], stop, stop - 1


def _read_strictly(ids, letters, kinds, scheme):
    """Begin, end and a word of the type of each entity, of tags of a scheme.

    Words that carry on an entity form a run with the word before them. A run holds one entity at
    most: from its first start to its end, if what follows ends it.
    """
    starts, inside, ends = (_pairs(letters, kinds, patterns) for patterns in _SCHEMES[scheme])
    before, now = ids[:-1], ids[1:]
    run = np.cumsum(~inside[before, now])
    begun = np.flatnonzero(starts[before, now])
    begun = begun[np.diff(run[begun], prepend=-1) > 0]  # the first of each run
    heads = np.flatnonzero(np.diff(run, prepend=0))
    stop = heads[run[begun]] if len(begun) else begun  # the head of the next run: runs count from 1
    real = ends[before[stop], now[stop]]
    begun, stop = begun[real] + 1, stop[real] + 1
    return begun, stop, begun


def _pairs(letters, kinds, patterns):
    """Of each pair of known tags, whether it is one of the patterns, bool `[tags, tags]`."""
    letters = np.array(letters)
    same = kinds[:, None] == kinds
    found = np.zeros_like(same)
    for one, two, types in patterns.split():
        pair = (letters[:, None] == one) if one != "." else np.ones_like(same)
        pair = pair & ((letters == two) if two != "." else True)
        found |= pair & {"=": same, "!": ~same, "?": True}[types]
    return found
