"""Layers and models that come back with the layers within them quantized as they were."""

from typing import Any

import keras

from kerasformer.private_api import all_layers

_MODES = ("int8", "int4", "float8")  # the others need data


class HoldsQuantized:
    """A Keras layer or model whose configuration says which layers within it are quantized.

    A child restores them at the end of its `build`. In Keras each layer says so of itself, but the
    layers within another one are made by that one's constructor.

    Args:
        quantized: The modes of the quantized layers, by their paths within. A mode is as in the
            names of Keras' dtype policies: `"int8"` or, with the size of its blocks, `"int4/128"`.
        **kwargs: Arguments of the Keras class.

    Raises:
        ValueError: There is no such mode.
    """

    path: Any
    name: Any

    def __init__(self, *, quantized: dict[str, str] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._to_quantize = dict(quantized or {})
        for path, name in self._to_quantize.items():
            if name.partition("/")[0] not in _MODES:
                raise ValueError(f"quantized[{path!r}]={name!r} is not one of {', '.join(_MODES)}.")

    def _restore_quantized(self):
        """Quantizes the layers that the configuration says."""
        parts = {self._path_within(part): part for part in all_layers(self)}
        for path, name in self._to_quantize.items():
            if path not in parts:
                raise ValueError(f"{self.name} has no layer {path!r} to be quantized to {name!r}.")
            mode, _, size = name.partition("/")
            config = keras.quantizers.Int4QuantizationConfig(block_size=int(size)) if size else None
            parts[path].quantize(mode, config=config)

    def _path_within(self, part):
        return part.path and part.path.removeprefix(f"{self.path}/")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments.

        Raises:
            ValueError: A layer is quantized in a way that its mode does not say.
        """
        quantized = {}
        for part in all_layers(self):
            # Layers that are given to a model, such as a classifier's encoder, say it themselves.
            if part.quantization_mode and str(part.path).startswith(f"{self.path}/"):
                _check_is_usual(part)
                name = part.dtype_policy.name.partition("_from_")[0]
                quantized[self._path_within(part)] = name
        quantized = quantized or dict(self._to_quantize)  # it may not be built yet
        config = super().get_config()  # type: ignore[misc]
        return {**config, "quantized": quantized} if quantized else config


def _check_is_usual(part):
    """Raises a ValueError where more than the mode has to be known of a quantized layer."""
    mode, configs = part.quantization_mode, keras.quantizers
    usual = {
        "int8": _described(configs.Int8QuantizationConfig().activation_quantizer),
        "int4": _described(configs.Int4QuantizationConfig().activation_quantizer),
        "float8": None,
    }
    own = hasattr(part, "inputs_quantizer") and _described(part.inputs_quantizer) != usual.get(mode)
    if own or mode not in _MODES:
        raise ValueError(
            f"{part.path} is quantized to {mode} with settings that no file can hold: quantize the "
            "model by the mode's name alone, such as quantize('int8')."
        )


def _described(quantizer):
    return None if quantizer is None else (type(quantizer), quantizer.get_config())
