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
    as it is; with `JAX_ENABLE_COMPILATION_CACHE=false` nothing is kept, and nothing in a folder
    that others can write to.

    TensorFlow 2.20 keeps XLA's programs too, in the folder that `TF_XLA_FLAGS` gives as
    `--tf_xla_persistent_cache_directory`: on a CPU a step of 2 s was there in 0.3 s. That is left
    to a person, for a file that it cannot read ends the training with TensorFlow's own error; the
    folder grows without end; and the variable counts only before anybody lists the devices, so that
    it would have to be set where the package is imported.
    """
    import keras

    if keras.backend.backend() != "jax":
        return
    import jax

    if not jax.config.jax_enable_compilation_cache or jax.config.jax_compilation_cache_dir:
        return
    folder = default_root() / "programs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(folder.stat()):
            return
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    settings = {
        "jax_compilation_cache_max_size": _MOST_BYTES,
        "jax_persistent_cache_min_compile_time_secs": _SECONDS,
    }
    for name, value in settings.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)


def _is_own(status: os.stat_result) -> bool:
    """Whether nobody but this user can write to a folder, from which JAX runs programs."""
    if not hasattr(os, "getuid"):  # Windows, where a user's folders are the user's
        return True
    return status.st_uid == os.getuid() and not status.st_mode & 0o022
