"""What this machine is, what it is quick at, and which packages run on it."""

import functools
import importlib.metadata
import os
import platform
import subprocess

_PACKAGES = (
    "kerasformer",
    "keras",
    "tensorflow",
    "jax",
    "numpy",
    "scikit-learn",
    "tokenizers",
    "safetensors",
)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """What the processor calls itself."""
    return _description("model name") or platform.processor() or platform.machine()


def has_quick_bfloat16() -> bool:
    """Whether it multiplies matrices of bfloat16 quicker than of float32.

    AMX does, and AMD's AVX-512. Intel's instructions of AVX-512 for bfloat16, which stay where a
    virtual machine hides AMX, reach half of the rate of float32: on a Xeon of the fifth generation
    169 GFLOP/s against 323 in TensorFlow, and 168 against 272 in PyTorch. Of other processors
    nothing is known: no is the safe answer.
    """
    flags = set(_description("flags").split())
    is_amd = _description("vendor_id") == "AuthenticAMD"
    return "amx_bf16" in flags or (is_amd and "avx512_bf16" in flags)


def prefers_bfloat16() -> bool:
    """Whether the device that Keras computes on is quicker in bfloat16 than in float32.

    TPUs are, and NVIDIA's GPUs from Ampere on, which have units for its products.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        device = jax.local_devices()[0]
        if device.platform == "cpu":
            return has_quick_bfloat16()
        return device.platform == "tpu" or _has_units(getattr(device, "compute_capability", ""))
    if not has_gpu():
        return has_quick_bfloat16()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(one) for one in gpus]
    return all(_has_units(one.get("compute_capability", ())) for one in details)


def _has_units(capability: str | tuple[int, ...]) -> bool:
    """Whether GPUs of a compute capability, "8.0" or (8, 0), multiply matrices of bfloat16."""
    parts = capability.split(".") if isinstance(capability, str) else map(str, capability)
    major = next(iter(parts), "")
    return major.isdecimal() and int(major) >= 8


@functools.cache
def _description(key):
    """The first value of a key in Linux's description of the processor; elsewhere empty."""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                found, _, value = line.partition(":")
                if found.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return ""


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


# An encoder of 24 blocks that is 1,024 wide takes a quarter of this for a token of 512.
_BYTES_OF_TOKEN = 2**19
_LEAST_TOKENS, _MOST_TOKENS = 2**12, 2**17
_UNKNOWN_MEMORY = 4 * 2**30


def device_tokens() -> int | None:
    """The tokens of a batch that an accelerator is to embed; None where there is none.

    A power of two, by the memory that the backend may use: 64 thousand on a card of 80 GiB.
    """
    import keras

    if keras.backend.backend() == "jax":
        memory = _jax_memory()
    else:
        memory = _tensorflow_memory() if has_gpu() else None
    if memory is None:
        return None
    tokens = 1 << max(memory // _BYTES_OF_TOKEN, 1).bit_length() - 1
    return min(max(tokens, _LEAST_TOKENS), _MOST_TOKENS)


def _jax_memory() -> int | None:
    """The bytes that JAX may use of its device; None on a CPU, and with several processes."""
    import jax

    device = jax.local_devices()[0]
    if device.platform == "cpu" or jax.process_count() > 1:  # all of which have the same batches
        return None
    return (device.memory_stats() or {}).get("bytes_limit", _UNKNOWN_MEMORY)


def _tensorflow_memory() -> int:
    """The bytes that TensorFlow may use of its smallest GPU."""
    import tensorflow as tf

    limits = [
        one.memory_limit * 2**20
        for device in tf.config.list_physical_devices("GPU")
        for one in tf.config.get_logical_device_configuration(device) or ()
        if one.memory_limit
    ]
    return min(limits, default=0) or _nvidia_memory()


@functools.cache
def _nvidia_memory() -> int:
    """Three quarters of the smallest of NVIDIA's GPUs, as JAX takes; TensorFlow does not tell."""
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
        return min(int(line) for line in told.split()) * 2**20 * 3 // 4
    except (OSError, subprocess.SubprocessError, ValueError):
        return _UNKNOWN_MEMORY


def versions() -> dict:
    """The versions of Python and of the packages that results depend on, where installed.

    Example:

    >>> {"python", "kerasformer", "keras"} <= set(versions())
    True
    """
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe_hardware() -> dict:
    """The processor's name, the cores that this process may use, the memory in GiB, the GPUs."""
    return {
        "cpu": processor_name(),
        "cores": cores(),
        "memory_gib": _memory_gib(),
        "gpus": _gpus(),
    }


def _memory_gib():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError):  # Windows
        return None


def _gpus():
    """The names of NVIDIA's GPUs, as the driver lists them; without loading TensorFlow."""
    folder = "/proc/driver/nvidia/gpus"
    names = []
    for gpu in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, gpu, "information")) as lines:
            names += [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model")]
    return names
