"""BERT's encoder in native Keras layers."""

import dataclasses

import keras
from keras import ops

from kerasformer.layers import BertEmbedding, TransformerBlock
from kerasformer.layers.arguments import check_rank
from kerasformer.layers.embedding import check_length
from kerasformer.models.config import EncoderConfig
from kerasformer.models.export import ServingExport
from kerasformer.private_api import output_tensors

_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
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

    Returns:
        A dict of what `outputs` names:

        - `sequence_output`: `[batch, seq, hidden_size]`, the last block's output;
        - `pooled_output` and `default`: `[batch, hidden_size]`, dense + tanh over the first token
          (only with a pooler);
        - `encoder_outputs`: a list of `[batch, seq, hidden_size]`, one for each block;
        - `embedding_output`: `[batch, seq, hidden_size]`;
        - `attention_scores`: a list of `[batch, num_heads, seq, seq]`, one for each block.

    Raises:
        ValueError: An input longer than `max_length` or not `[batch, seq]`, a dict of inputs
            without `input_word_ids` or with an unknown name, an unknown name in `outputs`, or a
            `config` of another kind.

    Example:

    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=100))
    >>> outputs = encoder({"input_word_ids": np.array([[2, 17, 54, 3]])})
    >>> tuple(outputs["pooled_output"].shape), len(outputs["encoder_outputs"])
    ((1, 128), 2)
    """

    def __init__(self, config=None, **kwargs):
        super().__init__(**kwargs)
        config = EncoderConfig(**config) if isinstance(config, dict) else config or EncoderConfig()
        if not isinstance(config, EncoderConfig):
            raise ValueError(f"config is an EncoderConfig or a dict, not {config!r}.")
        self.config = config
        self.autocast = False  # ids given as floats do not fit into float16
        initializer = "zeros"
        if config.initializer_range:
            initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.embedding = BertEmbedding(
            config.vocab_size,
            config.max_length,
            config.type_vocab_size,
            config.embedding_size,
            dropout=config.dropout,
            layer_norm_epsilon=config.layer_norm_epsilon,
            embeddings_initializer=initializer,
            dtype=self.dtype_policy,
            name="embeddings",
        )
        self.embedding_projection = None
        if config.embedding_size != config.hidden_size:
            self.embedding_projection = self._dense("embedding_projection", initializer)
        self.blocks = [
            TransformerBlock(
                config.hidden_size,
                config.num_heads,
                config.intermediate_size,
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                activation=config.activation,
                layer_norm_epsilon=config.layer_norm_epsilon,
                kernel_initializer=initializer,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i in range(config.num_layers)
        ]
        self.pooler = None
        if config.pooler:
            self.pooler = self._dense("pooler_transform", initializer, activation="tanh")
        self.build()

    def _dense(self, name, initializer, activation=None):
        return keras.layers.Dense(
            self.config.hidden_size,
            activation=activation,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name=name,
        )

    @classmethod
    def from_pretrained(cls, source, *, strict=True, **kwargs):
        """Reads a published encoder, of any format, into native layers.

        Every number, float16 and bfloat16 too, goes into variables of the dtype that `kwargs` ask
        for, float32 by default. A source without a pooler gives an encoder without one. No code is
        run and no pickle is read; the configuration is compared with the shapes in the files before
        any memory is taken for it.

        Args:
            source: A folder in any of the formats that `kerasformer inspect` knows, a preset's name
                such as `"all-MiniLM-L6-v2"`, or a handle; see `kerasformer.resolve`.
            strict: Whether a missing, unexpected or wrongly shaped tensor is an error. If not, the
                encoder comes with a report, as long as the file has at least half of its weights.
            **kwargs: Keras arguments of the model, such as `dtype` or `name`.

        Returns:
            A `BertEncoder` with the published weights; with `strict=False`, the pair of it and a
            `LoadReport`.

        Raises:
            UserError: There is no such source, it is not a BERT encoder's, or a weight is missing,
                unexpected, wrongly shaped or not finite.

        Example:

        >>> encoder = BertEncoder.from_pretrained("all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> encoder.config.hidden_size  # doctest: +SKIP
        384
        """
        from kerasformer.checkpoints import open_checkpoint

        return open_checkpoint(source).load_encoder(cls, strict=strict, **kwargs)

    def save_pretrained(self, folder, tokenizer=None):
        """Writes the encoder in the Hugging Face layout, which transformers' `BertModel` reads.

        Args:
            folder: Where to; made if it is not there.
            tokenizer: The encoder's `kerasformer.text.Tokenizer`, to be written beside it.

        Raises:
            UserError: The folder cannot be written to; or transformers does not have the activation
                or a weight's type.
        """
        from kerasformer.checkpoints.export.huggingface import save_pretrained

        save_pretrained(folder, self, tokenizer=tokenizer)

    def export_tfhub(self, folder, tokenizer, *, seq_length=128, mlm_head=None):
        """Writes the encoder and its preprocessor as two SavedModels in TF Hub's format.

        Args:
            folder: The folder to write `encoder` and `preprocessor` into.
            tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`.
            seq_length: The length that the preprocessor pads and cuts to, if not told another.
            mlm_head: A `kerasformer.layers.MaskedLMHead` on the encoder, to be its `.mlm`.

        Raises:
            UserError: The encoder has no pooler, or the parts do not fit each other; see
                `checkpoints.export.tfhub.export_tfhub`.
        """
        from kerasformer.checkpoints.export.tfhub import export_tfhub

        export_tfhub(self, tokenizer, folder, seq_length=seq_length, mlm_head=mlm_head)

    @property
    def available_outputs(self):
        """The names that a call may ask for."""
        # Not `output_names`: Keras takes that for the names of what a call returns.
        pooled = ("pooled_output", "default") if self.pooler else ()
        return ("sequence_output", *pooled, "encoder_outputs", *_ON_REQUEST)

    @property
    def output(self):
        """The symbolic outputs of the call that had the most of them.

        Keras means those of the first call, and takes a functional model for disconnected in which
        the encoder gives more than it gave then, as to the second of two heads that share it.
        """
        calls = output_tensors(self)
        if not calls:
            return super().output  # whose error says why there is none
        return max(calls, key=len)

    def build(self, input_shape=None):
        """Creates all variables, whatever the input's shape."""
        self.embedding.build((None, None))
        if self.embedding_projection:
            self.embedding_projection.build((None, None, self.config.embedding_size))
        for block in self.blocks:
            block.build((None, None, self.config.hidden_size))
        if self.pooler:
            self.pooler.build((None, self.config.hidden_size))
        self.built = True

    def call(self, inputs, outputs=None, training=None):
        """See the class."""
        wanted = self._check_outputs(outputs)
        inputs = self._as_dict(inputs)
        mask = self.padding_mask(inputs)
        x = self.embedding(
            inputs["input_word_ids"], inputs.get("input_type_ids"), training=training
        )
        if self.embedding_projection:
            x = self.embedding_projection(x)
        result = {"embedding_output": x, "encoder_outputs": [], "attention_scores": []}
        for block in self.blocks:
            x, scores = block(x, padding_mask=mask, return_attention_scores=True, training=training)
            result["encoder_outputs"].append(x)
            result["attention_scores"].append(scores)
        result["sequence_output"] = x
        if "pooled_output" in wanted or "default" in wanted:
            result["pooled_output"] = result["default"] = self.pooler(x[:, 0])
        return {name: result[name] for name in wanted}

    def _check_outputs(self, outputs):
        if outputs is None:
            return [name for name in self.available_outputs if name not in _ON_REQUEST]
        if isinstance(outputs, str):
            raise ValueError(f"outputs is a list of names, such as [{outputs!r}], not one string.")
        for name in outputs:
            if name not in self.available_outputs:
                known = ", ".join(self.available_outputs)
                raise ValueError(f"outputs names {name!r}, and this encoder has {known}.")
        return outputs

    def padding_mask(self, inputs):
        """The mask that a call works with, `[batch, seq]`; see the class for `inputs`."""
        inputs = self._as_dict(inputs)
        mask = inputs.get("input_mask")
        if mask is None:
            mask = ops.not_equal(inputs["input_word_ids"], self.config.pad_token_id)
        return mask

    @staticmethod
    def _as_dict(inputs):
        if not isinstance(inputs, dict):
            inputs = {"input_word_ids": inputs}
        if "input_word_ids" not in inputs or not inputs.keys() <= set(_INPUTS):
            raise ValueError(
                f"BertEncoder takes a dict with input_word_ids and possibly {_INPUTS[1]} and "
                f"{_INPUTS[2]}, not one with {', '.join(sorted(inputs)) or 'nothing'}."
            )
        check_rank("input_word_ids", inputs["input_word_ids"], "[batch, seq]")
        return inputs

    def compute_output_spec(self, inputs, outputs=None, training=None):
        """The shapes and dtypes of what a call returns."""
        batch, length = self._as_dict(inputs)["input_word_ids"].shape
        config = self.config
        check_length(length, config.max_length)

        def spec(*shape):
            return keras.KerasTensor((batch, *shape), dtype=self.compute_dtype)

        def each_block(*shape):
            return [spec(*shape) for _ in range(config.num_layers)]

        specs = {
            "sequence_output": spec(length, config.hidden_size),
            "embedding_output": spec(length, config.hidden_size),
            "encoder_outputs": each_block(length, config.hidden_size),
            "attention_scores": each_block(config.num_heads, length, length),
            "pooled_output": spec(config.hidden_size),
            "default": spec(config.hidden_size),
        }
        return {name: specs[name] for name in self._check_outputs(outputs)}

    def get_config(self):
        """The encoder's configuration as a dict."""
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}
