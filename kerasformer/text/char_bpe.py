"""The OpenAI transformer's tokenizer."""

import dataclasses

from tokenizers import decoders

from kerasformer.text import files
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.tokenizer_json import read_backend, refuse_frame, unknown_part


class CharBPETokenizer(Tokenizer):
    """The OpenAI transformer's tokenizer: pairs of characters, merged within BERT's words.

    Texts are lower-cased and split into words as by BERT, and the last token of a word ends with
    `</w>`. `tokenize` puts nothing around a text, as transformers does not. The published
    vocabulary has no token that begins a text, ends it or pads it: `<unk>`, which hardly any text
    has, stands for each that is not named, and is what an empty text gives.

    Source: Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018,
    section 4.1; Sennrich et al., https://arxiv.org/abs/1508.07909;
    `transformers.OpenAIGPTTokenizer`.

    Example:

    >>> source = "hf://openai-community/openai-gpt"
    >>> tokenizer = CharBPETokenizer.from_pretrained(source)  # doctest: +SKIP
    >>> tokenizer.tokens(["Good films"])  # doctest: +SKIP
    [['good</w>', 'films</w>']]
    """

    model_kind = "CharBPE"
    roles = ("unk_token", "bos_token", "eos_token", "pad_token")
    optional_roles = ("bos_token", "eos_token", "pad_token")

    @property
    def bos_id(self) -> int:
        """The id of the token before a text, in training."""
        return self._id_or_unknown("bos_token")

    @property
    def eos_id(self) -> int:
        """The id of the token that ends a text, in training."""
        return self._id_or_unknown("eos_token")

    @property
    def pad_id(self) -> int:
        """The id of the padding token. Under the mask any id does."""
        return self._id_or_unknown("pad_token")

    def _id_or_unknown(self, role: str) -> int:
        return self._id(role) if role in self.special_tokens else self.unk_id

    @classmethod
    def _roles(cls, config, source):
        return files.read_roles(config, cls.roles, source, files.OPENAI_TOKENS)

    @classmethod
    def _read_backend(cls, saved, model, config, source):
        refuse_frame(saved, source)
        if files.class_kind(config) == cls.model_kind:  # OpenAI's, which takes the vocabulary alone
            model = dataclasses.replace(model, unk_token=cls._roles(config, source)["unk_token"])
            saved = files.OPENAI_PARTS
        decoder = saved.get("decoder")
        if decoder not in (None, files.OPENAI_PARTS["decoder"]):
            raise unknown_part("decoder", decoder, source)
        backend = read_backend(saved, model, source)
        if decoder is not None:
            backend.decoder = decoders.BPEDecoder(suffix=files.WORD_END)
        return backend
