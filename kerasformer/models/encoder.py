"""BERT's encoder in native Keras layers."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import keras
from keras import ops

from kerasformer.layers.arguments import check_rank
from kerasformer.layers.embedding import check_length
from kerasformer.models.config import EncoderConfig, input_dict
from kerasformer.models.export import ServingExport
from kerasformer.models.lora import TARGETS, enable_lora, merge_lora
from kerasformer.models.partial import constant
from kerasformer.models.parts import EncoderParts, output_specs
from kerasformer.private_api import output_tensors, set_mask
from kerasformer.text import Tokenizer, WordPieceTokenizer

if TYPE_CHECKING:
    from kerasformer.checkpoints import LoadReport

_ON_REQUEST = ("embedding_output", "attention_scores")


@keras.saving.register_keras_serializable(package="kerasformer")
class BertEncoder(ServingExport):
    """BERT's encoder: token ids in, the vectors of every block out.

    Devlin et al., https://arxiv.org/abs/1810.04805. Inputs and outputs carry the names of TF Hub's
    BERT encoders.

    Args:
        config: An `EncoderConfig`, or the dict of its attributes.

    Call arguments:
        inputs: A dict of int `[batch, seq]` tensors: `input_word_ids`, and where they are not the
            default `input_mask` (1 is a real token; by default where the id is not the padding id)
            and `input_type_ids` (by default zeros). Or the ids alone.
        outputs: Names of the outputs wanted; by default all but the last two.
        training: Whether dropout is on.
        frozen_blocks: So many blocks, the first ones, and the embeddings are computed as in
            inference, and no gradient reaches them; None: not the embeddings either.

    Returns:
        A dict of what `outputs` names; those `[batch, seq, hidden_size]` have Keras' implicit mask:

        - `sequence_output`: `[batch, seq, hidden_size]`, the last block's output;
        - `pooled_output` and `default`: `[batch, hidden_size]`, dense + tanh over the first token
          (only with a pooler);
        - `encoder_outputs`: a list of `[batch, seq, hidden_size]`, one for each block;
        - `embedding_output`: `[batch, seq, hidden_size]`;
        - `attention_scores`: a list of `[batch, num_heads, seq, seq]`, one for each block.

    Raises:
        ValueError: An input longer than `max_length` or not `[batch, seq]`, a dict of inputs
            without `input_word_ids` or with an unknown name, outside of graphs an id that is none,
            an unknown name in `outputs`, or a `config` of another kind.

    Example:

    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=100))
    >>> outputs = encoder({"input_word_ids": np.array([[2, 17, 54, 3]])})
    >>> tuple(outputs["pooled_output"].shape), len(outputs["encoder_outputs"])
    ((1, 128), 2)
    """

    def __init__(self, config: EncoderConfig | dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        config = EncoderConfig(**config) if isinstance(config, dict) else config or EncoderConfig()
        if not isinstance(config, EncoderConfig):
            raise ValueError(
                f"config is {config!r}: expected an EncoderConfig or the dict of its attributes."
            )
        self.config = config
        self.origin: str | None = None  # which weights it was read with, if any
        self.autocast = False  # ids given as floats do not fit into float16
        parts = EncoderParts(config, self.dtype_policy)
        self.embedding, self.embedding_projection = parts.embedding, parts.embedding_projection
        self.blocks, self.pooler = parts.blocks, parts.pooler
        self.build()

    @overload
    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike, *, strict: Literal[True] = True, **kwargs: Any
    ) -> Self: ...

    @overload
    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike, *, strict: Literal[False], **kwargs: Any
    ) -> tuple[Self, "LoadReport"]: ...

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike, *, strict: bool = True, **kwargs: Any
    ) -> Any:
        """Loads a published encoder, of any format, into native layers.

        All weights, float16 and bfloat16 too, become variables of the dtype that `kwargs` ask for,
        float32 by default. A source without a pooler makes an encoder without one. Nothing of the
        source is run, and no memory is allocated for sizes that its files do not have.

        Args:
            source: A folder in any of the formats that `kerasformer inspect` knows, a preset's name
                such as `"all-MiniLM-L6-v2"`, or a handle; see `kerasformer.resolve`.
            strict: Whether a missing, unexpected or wrongly shaped tensor is an error. If not, a
                report comes with the encoder, and at least half of its weights must be there.
            **kwargs: Keras arguments of the model, such as `dtype` or `name`.

        Returns:
            The encoder; with `strict=False`, the pair of it and a `LoadReport`.

        Raises:
            UserError: The source does not exist or is no BERT encoder, or a weight is missing,
                unexpected, wrongly shaped or not finite.

        Example:

        >>> encoder = BertEncoder.from_pretrained("all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> encoder.config.hidden_size  # doctest: +SKIP
        384
        """
        from kerasformer.checkpoints import open_checkpoint

        return open_checkpoint(source).load_encoder(cls, strict=strict, **kwargs)

    def save_pretrained(
        self, folder: str | os.PathLike, tokenizer: Tokenizer | None = None
    ) -> None:
        """Saves the encoder in the Hugging Face layout, which transformers' `BertModel` reads.

        What LoRA trained is merged into the weights, as by `save`, which also keeps quantization.

        Args:
            folder: Output folder, created if missing.
            tokenizer: The encoder's tokenizer, to be saved beside it.

        Raises:
            UserError: The folder cannot be written to, or the encoder is quantized.
        """
        from kerasformer.checkpoints.export.huggingface import save_pretrained

        save_pretrained(folder, self, tokenizer=tokenizer)

    def export_tfhub(
        self,
        folder: str | os.PathLike,
        tokenizer: WordPieceTokenizer,
        *,
        seq_length: int = 128,
        mlm_head: Any = None,
    ) -> None:
        """Exports the encoder and its preprocessor as two SavedModels in TF Hub's format.

        Args:
            folder: Output folder, for `encoder` and `preprocessor` in it.
            tokenizer: The encoder's tokenizer.
            seq_length: Default length that the preprocessor pads and truncates to.
            mlm_head: A `kerasformer.layers.MaskedLMHead` on the encoder, to be its `.mlm`.

        Raises:
            UserError: As of `checkpoints.export.tfhub.export_tfhub`: without a pooler, say.
        """
        from kerasformer.checkpoints.export.tfhub import export_tfhub

        export_tfhub(self, tokenizer, folder, seq_length=seq_length, mlm_head=mlm_head)

    def enable_lora(
        self, rank: int, alpha: float | None = None, targets: Iterable[str] = TARGETS
    ) -> None:
        """Has training change low-rank matrices alone, beside the weights of the blocks.

        Hu et al., https://arxiv.org/abs/2106.09685, by Keras' own `enable_lora`. All other weights,
        biases too, are frozen. `save` and `save_pretrained` merge what was trained.

        Args:
            rank: Of the matrices.
            alpha: The change is `alpha / rank` times their product; by default `rank`.
            targets: Which parts of a block: `"attention"` (its four projections), `"feed_forward"`.

        Raises:
            ValueError: `rank` is no positive integer, a target unknown, or LoRA there already.

        Example:

        >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=100))
        >>> encoder.enable_lora(4, targets=["attention"])
        >>> len(encoder.trainable_weights)  # two matrices, four projections, two blocks
        16
        """
        enable_lora(self, rank, alpha, targets)

    def merge_lora(self) -> None:
        """Adds what LoRA has trained to the weights, which are all trained again from now on.

        Raises:
            ValueError: There is no LoRA, or a layer that has it is quantized.
        """
        merge_lora(self)

    @property
    def available_outputs(self) -> tuple[str, ...]:
        """The names that `outputs` of a call may have."""
        # Not `output_names`: Keras takes that for the names of what a call returns.
        pooled = ("pooled_output", "default") if self.pooler else ()
        return ("sequence_output", *pooled, "encoder_outputs", *_ON_REQUEST)

    @property
    def output(self) -> Any:
        """The symbolic outputs of the call that had the most of them.

        Keras returns those of the first call, and then considers a functional model disconnected
        where a later call has more of them, as for the second of two heads that share the encoder.
        """
        calls = output_tensors(self)
        return max(calls, key=len) if calls else super().output  # whose error says why

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables, whatever the input's shape."""
        self.embedding.build((None, None))
        if self.embedding_projection:
            self.embedding_projection.build((None, None, self.config.embedding_size))
        for block in self.blocks:
            block.build((None, None, self.config.hidden_size))
        if self.pooler:
            self.pooler.build((None, self.config.hidden_size))
        self._restore_quantized()

    def call(
        self,
        inputs: Any,
        outputs: Sequence[str] | None = None,
        training: bool | None = None,
        frozen_blocks: int | None = None,
    ) -> dict[str, Any]:
        """See the class."""
        wanted = self._check_outputs(outputs)
        inputs = input_dict(inputs, "BertEncoder")
        mask = self.padding_mask(inputs)
        ids, types = inputs["input_word_ids"], inputs.get("input_type_ids")
        x = self.embedding(ids, types, training=training and frozen_blocks is None)
        set_mask(x, ops.cast(mask, "bool"))  # which every layer hands on
        if self.embedding_projection:
            x = self.embedding_projection(x)
        if frozen_blocks is not None:
            x = constant(x)
        result: dict[str, Any] = {"embedding_output": x}
        result |= {"encoder_outputs": [], "attention_scores": []}
        for number, block in enumerate(self.blocks):
            is_frozen = number < (frozen_blocks or 0)
            mode = {"return_attention_scores": True, "training": training and not is_frozen}
            x, scores = block(x, padding_mask=mask, **mode)
            if is_frozen:
                x, scores = constant(x), constant(scores)
            result["encoder_outputs"].append(x)
            result["attention_scores"].append(scores)
        result["sequence_output"] = x
        if "pooled_output" in wanted or "default" in wanted:
            result["pooled_output"] = result["default"] = self.pooler(x[:, 0])
        return {name: result[name] for name in wanted}

    def _check_outputs(self, outputs) -> Sequence[str]:
        if outputs is None:
            return [name for name in self.available_outputs if name not in _ON_REQUEST]
        if isinstance(outputs, str):
            raise ValueError(f"outputs is {outputs!r}: expected a list, such as [{outputs!r}].")
        for name in outputs:
            if name not in self.available_outputs:
                known = ", ".join(self.available_outputs)
                raise ValueError(f"outputs has {name!r}: this encoder has {known}.")
        return outputs

    def padding_mask(self, inputs: Any) -> Any:
        """The mask that a call works with, `[batch, seq]`; see the class for `inputs`."""
        inputs = input_dict(inputs, "BertEncoder")
        mask = inputs.get("input_mask")
        ids, padding_id = inputs["input_word_ids"], self.config.pad_token_id
        return ops.not_equal(ids, padding_id) if mask is None else mask

    def compute_output_spec(
        self,
        inputs: Any,
        outputs: Sequence[str] | None = None,
        training: bool | None = None,
        frozen_blocks: int | None = None,
    ) -> dict[str, Any]:
        """The shapes and dtypes of what a call returns."""
        ids = input_dict(inputs, "BertEncoder")["input_word_ids"]
        check_rank("input_word_ids", ids, "[batch, seq]")
        check_length(ids.shape[1], self.config.max_length)
        specs = output_specs(self.config, ids.shape, self.compute_dtype)
        return {name: specs[name] for name in self._check_outputs(outputs)}

    def get_config(self) -> dict[str, Any]:
        """The encoder's configuration as a dict."""
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}
