"""The special tokens of a tokenizer: read from its configuration, checked with its vocabulary."""

from collections.abc import Iterable, Mapping

import tokenizers

from kerasformer.errors import UserError


def special_tokens(config: Mapping, roles: Iterable[str], source) -> dict[str, str]:
    """The token of each role in a `tokenizer_config.json`, by default BERT's.

    Raises:
        UserError: A token is not a string.
    """
    tokens = {}
    for role in roles:
        token = config.get(role) or f"[{role.removesuffix('_token').upper()}]"
        if isinstance(token, Mapping):  # an AddedToken with its settings
            token = token.get("content")
        if not isinstance(token, str):
            raise UserError(f"{source} has the {role} {token!r}, but it must be a string.")
        tokens[role] = token
    return tokens


def check_vocabulary(
    backend: tokenizers.Tokenizer, tokens: Mapping[str, str], required: Iterable[str], source
) -> dict[str, int]:
    """The id of each token, if they are sound and the tokens of the required roles are there.

    Raises:
        UserError: The ids are not 0, 1, 2..., a required token is missing, or the model has another
            unknown token.
    """
    ids = backend.get_vocab(with_added_tokens=True)
    if sorted(ids.values()) != list(range(len(ids))):
        raise UserError(
            f"{source} has {len(ids)} different tokens, whose ids must be 0 to {len(ids) - 1}, "
            "each once: a token is missing or repeated."
        )
    for role in required:
        if tokens[role] not in ids:
            raise UserError(
                f"{source} lacks the {role} {tokens[role]!r}: give a complete vocabulary, or the "
                "name that this token has in it."
            )
    unknown, expected = backend.model.unk_token, tokens["unk_token"]
    if unknown != expected or backend.model.token_to_id(unknown) is None:
        raise UserError(
            f"{source} has a model with the unk_token {unknown!r}, but it must be {expected!r}, in "
            "the model's own vocabulary: correct the file, or the tokenizer_config.json beside it."
        )
    return ids
