"""The tokens that were added to a tokenizer: behind its vocabulary, or marked in it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import tokenizers
from tokenizers import AddedToken

from kerasformer.errors import UserError

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_MOST_TEXT = 1000
_MOST_ID = 2**31 - 1
# The order in which transformers adds its own roles, before those of other keys that end in _token.
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


def read_added_tokens(
    config: Mapping[str, Any], saved: Any, *, config_alone: bool, source: object
) -> dict[int, AddedToken]:
    """The added tokens by their ids.

    Args:
        config: What `read_config` gives.
        saved: The `added_tokens` of a `tokenizer.json`, or None.
        config_alone: Whether the `added_tokens_decoder` of the configuration, where it has one,
            replaces all others, as it does in those classes of transformers that take the
            vocabulary alone, such as `BertTokenizer` and `GPT2Tokenizer`.
        source: Their file, for messages.

    Raises:
        UserError: A token is not sound.
    """
    listed = config.get("added_tokens_decoder")
    tokens: dict[int, AddedToken] = {}
    for key, value in _items(listed or {}, "added_tokens_decoder", source):
        tokens[_id(key, source)] = _added_token(value, source)
    if config_alone and listed is not None:
        return tokens
    named = {token.content for token in named_tokens(config, source)}
    if listed is None:
        for content, key in _items(config.get("added_tokens") or {}, "added_tokens.json", source):
            is_special = content in named
            flags = {"content": content, "special": is_special, "normalized": not is_special}
            tokens[_id(key, source)] = _added_token(flags, source)
    if saved is not None and not isinstance(saved, list):
        raise UserError(f"{source} has added_tokens that are no list: fetch or save it again.")
    for value in saved or []:
        token = _added_token(value, source)
        tokens[_id(value.get("id"), source)] = token
    return tokens


def named_tokens(config: Mapping[str, Any], source: object) -> list[AddedToken]:
    """The special tokens of a configuration: those with a role, then the further ones."""
    keys = dict.fromkeys([*(f"{role}_token" for role in _ROLES), *config])
    values = [config.get(key) for key in keys if key.endswith("_token")]
    values = [value for value in values if value and isinstance(value, str | Mapping)]
    more = config.get("extra_special_tokens") or []
    if not isinstance(more, list | Mapping):
        raise UserError(
            f"{source} has further special tokens that are no list: {str(more)[:80]!r}."
        )
    values += more.values() if isinstance(more, Mapping) else more
    contents = [value if isinstance(value, Mapping) else {"content": value} for value in values]
    return [_added_token({**content, "special": True}, source) for content in contents]


def add_tokens(
    backend: tokenizers.Tokenizer,
    tokens: Mapping[int, AddedToken],
    named: Iterable[AddedToken],
    roles: Iterable[str],
    source: object,
) -> None:
    """Adds tokens to a backend, as transformers does, whose normalizer is set.

    Args:
        backend: The backend.
        tokens: Those with ids of their own.
        named: Special tokens, which are matched as they stand; new ones get the next ids.
        roles: Those with a role, which are not added where they are missing.
        source: Their file, for messages.

    Raises:
        UserError: The library gives a token another id than the file, or a token is nothing once it
            is normalized.
    """
    named = list(named)
    special = {token.content for token in named}
    for token in [*tokens.values(), *named]:
        token.special = token.special or token.content in special
        normalizer = backend.normalizer if token.normalized else None
        if normalizer is not None and not normalizer.normalize_str(token.content).strip():
            raise UserError(
                f"{source} adds the token {token.content!r}, of which the tokenizer's normalizer "
                "leaves nothing: take it out, or set its normalized to false."
            )
    backend.add_tokens([token for _, token in sorted(tokens.items(), key=lambda item: item[0])])
    for number, token in tokens.items():
        found = backend.token_to_id(token.content)
        if found != number:
            raise UserError(
                f"{source} gives the added token {token.content!r} the id {number}, but by the "
                f"vocabulary it is {found}: the files do not belong together."
            )
    lacking = {token for token in roles if backend.token_to_id(token) is None}
    named = [token for token in named if token.content not in lacking]
    new = [token.content for token in named if backend.token_to_id(token.content) is None]
    if new and lacking:
        raise UserError(
            f"{source} lacks {sorted(lacking)[0]!r} and names the further token {new[0]!r} without "
            "an id: say it in its added tokens."
        )
    backend.add_tokens(named)


def _items(values, name: str, source) -> Iterable[tuple[Any, Any]]:
    if not isinstance(values, Mapping):
        raise UserError(f"{source} has {name} that is no JSON object: fetch or save it again.")
    return values.items()


def _id(value, source) -> int:
    is_text = isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value)
    number = int(value) if is_text else value
    if type(number) is not int or not 0 <= number <= _MOST_ID:
        raise UserError(
            f"{source} has an added token with the id {str(value)[:80]!r}: expected 0 or more."
        )
    return number


def _added_token(value, source) -> AddedToken:
    content = value.get("content") if isinstance(value, Mapping) else None
    if not isinstance(content, str) or not 1 <= len(content) <= _MOST_TEXT or not content.strip():
        raise UserError(
            f"{source} has the added token {str(value)[:80]!r}: expected its content, a text of at "
            f"most {_MOST_TEXT:,} characters."
        )
    flags = {name: value[name] for name in _FLAGS if value.get(name) is not None}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise UserError(f"{source} has {content!r} with a setting that is neither true nor false.")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise UserError(f"{source} has the added token {content!r}: no valid Unicode.") from None
    return AddedToken(content, **flags)
