"""GPT-2's tokenizer."""

from collections.abc import Mapping
from typing import Any

from tokenizers import decoders, pre_tokenizers

from kerasformer.errors import UserError
from kerasformer.text import files
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.tokenizer_json import refuse_frame, unknown_part

_END = "<|endoftext|>"


class ByteLevelTokenizer(Tokenizer):
    """GPT-2's tokenizer: pairs of bytes, merged in the order in which they were learnt.

    Every text has tokens, and from these comes back as it was. `tokenize` puts nothing around a
    text, as transformers does not; a space before a word is a part of its token, and shown as `Ġ`.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section
    2.2; `transformers.GPT2Tokenizer`.

    Example:

    >>> source = "hf://openai-community/gpt2"
    >>> tokenizer = ByteLevelTokenizer.from_pretrained(source)  # doctest: +SKIP
    >>> tokenizer.tokens(["Good films"])  # doctest: +SKIP
    [['Good', 'Ġfilms']]
    """

    model_kind = "BPE"
    roles = ("eos_token", "pad_token")
    optional_roles = ("pad_token",)

    @property
    def eos_id(self) -> int:
        """The id of the token that ends a text."""
        return self._id("eos_token")

    @property
    def bos_id(self) -> int:
        """The id of the token before a text, the same."""
        return self.eos_id

    @property
    def unk_id(self) -> int:
        """The id of the token that ends a text: there is no unknown one."""
        return self.eos_id

    @property
    def pad_id(self) -> int:
        """The id of the padding token: of a vocabulary without one, of that which ends a text.

        Under the mask any id does.
        """
        return self._id("pad_token") if "pad_token" in self.special_tokens else self.eos_id

    def _config(self) -> dict[str, Any]:
        end = self.special_tokens["eos_token"]
        return {**super()._config(), "bos_token": end, "unk_token": end}

    @classmethod
    def _roles(cls, config, source):
        return files.read_roles(config, cls.roles, source, {"eos_token": _END})

    @classmethod
    def _read_backend(cls, saved, model, config, source):
        space = _prefix_space(saved, source)
        if files.class_kind(config) == cls.model_kind:  # GPT-2's, which then makes it anew
            space = config.get("add_prefix_space", False)
        if not isinstance(space, bool) or config.get("add_bos_token"):
            raise UserError(
                f"{source} comes with add_prefix_space {space!r} and add_bos_token "
                f"{config.get('add_bos_token')!r}: expected true or false, and no bos_token."
            )
        backend = model.backend()
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
        backend.decoder = decoders.ByteLevel()
        return backend


def _prefix_space(saved: Mapping[str, Any], source: object) -> bool:
    """Whether GPT-2's splitting, which a `tokenizer.json` describes, begins a text with a space.

    Raises:
        UserError: It describes another splitting, or tokens around a text.
    """
    values: Any = saved.get("pre_tokenizer")
    if not _is_byte_level(values) or values.get("use_regex") is False:
        raise unknown_part("pre_tokenizer", values, source)
    if saved.get("normalizer") is not None:
        raise unknown_part("normalizer", saved["normalizer"], source)
    if not _is_byte_level(saved.get("post_processor")):  # which trims offsets alone
        refuse_frame(saved, source)
    return values.get("add_prefix_space", True) is not False


def _is_byte_level(values: Any) -> bool:
    return isinstance(values, dict) and values.get("type") == "ByteLevel"
