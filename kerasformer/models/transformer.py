"""What the encoder and the decoder share: their configuration, loading, saving, LoRA, outputs."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

from keras import ops

from kerasformer.layers.arguments import check_rank
from kerasformer.layers.embedding import check_length
from kerasformer.models.config import AnyConfig, input_dict
from kerasformer.models.export import ServingExport
from kerasformer.models.lora import TARGETS, enable_lora, merge_lora
from kerasformer.models.partial import constant
from kerasformer.models.parts import output_specs
from kerasformer.private_api import output_tensors, set_mask
from kerasformer.text import Tokenizer

if TYPE_CHECKING:
    from kerasformer.checkpoints import LoadReport

ON_REQUEST = ("embedding_output", "attention_scores")


class Transformer(ServingExport):
    """A stack of transformer blocks on token ids; a `BertEncoder` or a `CausalDecoder`.

    Args:
        config: A configuration of the class `config_class`, the dict of its attributes, or None
            for its defaults.
        **kwargs: Keras arguments of the model.

    Attributes:
        embedding: The embeddings.
        embedding_projection: The dense layer from their width to that of the blocks, or None.
        blocks: The blocks.
        final_layer_norm: What the last block's output goes through, or None.
        pooler: The dense layer over the first token, or None.
        origin: Which weights it was read with, if any.
    """

    config_class: ClassVar[type]
    config: Any
    embedding: Any
    embedding_projection: Any = None
    blocks: list
    final_layer_norm: Any = None
    pooler: Any = None

    def __init__(self, config: AnyConfig | dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        kind = self.config_class
        config = kind(**config) if isinstance(config, dict) else config or kind()
        if not isinstance(config, kind):
            name = kind.__name__
            article = "an" if name[0] in "AEIOU" else "a"
            raise ValueError(
                f"config is {config!r}: expected {article} {name} or the dict of its attributes."
            )
        self.config = config
        self.origin: str | None = None
        self.autocast = False  # ids given as floats do not fit into float16

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
        """Loads a published model, of any format, into native layers.

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
            UserError: The source does not exist or is of another kind, or a weight is missing,
                unexpected, wrongly shaped or not finite.

        Example:

        >>> from kerasformer.models import BertEncoder
        >>> encoder = BertEncoder.from_pretrained("all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> encoder.config.hidden_size  # doctest: +SKIP
        384
        """
        from kerasformer.checkpoints import open_checkpoint

        return open_checkpoint(source).load_encoder(cls, strict=strict, **kwargs)

    def save_pretrained(
        self, folder: str | os.PathLike, tokenizer: Tokenizer | None = None
    ) -> None:
        """Saves the model in the Hugging Face layout, which transformers reads.

        An encoder is a `BertModel` there, a decoder a `GPT2Model` or, where it is post-LN, an
        `OpenAIGPTModel`.

        What LoRA trained is merged into the weights, as by `save`, which also keeps quantization.

        Args:
            folder: Output folder, created if missing.
            tokenizer: The encoder's tokenizer, to be saved beside it.

        Raises:
            UserError: The folder cannot be written to, or the encoder is quantized.
        """
        from kerasformer.checkpoints.export.huggingface import save_pretrained

        save_pretrained(folder, self, tokenizer=tokenizer)

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

        >>> from kerasformer.models import BertEncoder, EncoderConfig
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
        return ("sequence_output", *pooled, "encoder_outputs", *ON_REQUEST)

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
        if self.final_layer_norm:
            self.final_layer_norm.build((None, None, self.config.hidden_size))
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
        inputs = input_dict(inputs, type(self).__name__)
        mask = self.padding_mask(inputs)
        x = self._embed(inputs, training and frozen_blocks is None)
        if mask is not None:
            set_mask(x, ops.cast(mask, "bool"))  # which every layer hands on
        if self.embedding_projection:
            x = self.embedding_projection(x)
        result = self._through_blocks(x, mask, wanted, training, frozen_blocks)
        if "pooled_output" in wanted or "default" in wanted:
            pooled = self.pooler(result["sequence_output"][:, 0])
            result["pooled_output"] = result["default"] = pooled
        return {name: result[name] for name in wanted}

    def padding_mask(self, inputs: Any) -> Any:
        """The mask that a call works with, `[batch, seq]`, or None where all are real tokens.

        See the class for `inputs`.
        """
        inputs = input_dict(inputs, type(self).__name__)
        mask, padding_id = inputs.get("input_mask"), self.config.pad_token_id
        if mask is not None or padding_id is None:
            return mask
        return ops.not_equal(inputs["input_word_ids"], padding_id)

    def _embed(self, inputs: dict[str, Any], training: bool | None) -> Any:
        """The embeddings of a call's inputs, `[batch, seq, embedding_size]`."""
        raise NotImplementedError

    def _through_blocks(self, x, mask, wanted, training, frozen_blocks) -> dict[str, Any]:
        """All outputs but the pooler's, of the embeddings `[batch, seq, hidden_size]`.

        Scores only where wanted: outside of graphs they would be in memory, a matrix a head.
        """
        if frozen_blocks is not None:
            x = constant(x)
        result: dict[str, Any] = {"embedding_output": x}
        result |= {"encoder_outputs": [], "attention_scores": []}
        for number, block in enumerate(self.blocks):
            is_frozen = number < (frozen_blocks or 0)
            mode = {"padding_mask": mask, "training": training and not is_frozen}
            if "attention_scores" in wanted:
                x, scores = block(x, return_attention_scores=True, **mode)
                result["attention_scores"].append(constant(scores) if is_frozen else scores)
            else:
                x = block(x, **mode)
            if is_frozen:
                x = constant(x)
            result["encoder_outputs"].append(x)
        if self.final_layer_norm:
            x = result["encoder_outputs"][-1] = self.final_layer_norm(x)
        return {"sequence_output": x, **result}

    def _check_outputs(self, outputs) -> Sequence[str]:
        if outputs is None:
            return [name for name in self.available_outputs if name not in ON_REQUEST]
        if isinstance(outputs, str):
            raise ValueError(f"outputs is {outputs!r}: expected a list, such as [{outputs!r}].")
        for name in outputs:
            if name not in self.available_outputs:
                known = ", ".join(self.available_outputs)
                raise ValueError(f"outputs has {name!r}: this model has {known}.")
        return outputs

    def compute_output_spec(
        self,
        inputs: Any,
        outputs: Sequence[str] | None = None,
        training: bool | None = None,
        frozen_blocks: int | None = None,
    ) -> dict[str, Any]:
        """The shapes and dtypes of what a call returns."""
        ids = input_dict(inputs, type(self).__name__)["input_word_ids"]
        check_rank("input_word_ids", ids, "[batch, seq]")
        check_length(ids.shape[1], self.config.max_length)
        specs = output_specs(self.config, ids.shape, self.compute_dtype)
        return {name: specs[name] for name in self._check_outputs(outputs)}

    def get_config(self) -> dict[str, Any]:
        """The model's configuration as a dict."""
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}


def kind_for(config: AnyConfig, kinds: Sequence[type[Transformer]]) -> type[Transformer]:
    """Which of some classes of models has such a configuration; the first where none has."""
    return next((kind for kind in kinds if isinstance(config, kind.config_class)), kinds[0])
