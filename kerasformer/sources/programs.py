"""The programs that JAX compiles, kept in the cache folder from one process to the next."""

import functools
import os

from kerasformer.sources.cache import default_root

_MOST_BYTES = 4 * 2**30  # beyond which those that were not used for longest go
_SECONDS = 0.1  # those that compile sooner are not worth a file


@functools.cache
def keep_programs() -> None:
    """Has JAX, if that is the backend, keep what it compiles, and find what it has compiled before.

    A folder that a person has given JAX, by `JAX_COMPILATION_CACHE_DIR` or its configuration, stays
    as it is; with `JAX_ENABLE_COMPILATION_CACHE=false` nothing is kept. TensorFlow has no such
    option of its own.
    """
    import keras

    if keras.backend.backend() != "jax":
        return
    import jax

    if not jax.config.jax_enable_compilation_cache or jax.config.jax_compilation_cache_dir:
        return
    folder = default_root() / "programs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    settings = {
        "jax_compilation_cache_max_size": _MOST_BYTES,
        "jax_persistent_cache_min_compile_time_secs": _SECONDS,
    }
    for name, value in settings.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)
