"""What a comparison ran on: the versions of the packages, and the hardware."""

import importlib.metadata
import os
import platform

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


def versions() -> dict:
    """The versions of Python and of the packages that a comparison uses, where installed.

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


def hardware() -> dict:
    """The processor's name, the cores that this process may use, the memory in GiB, the GPUs."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count()
    return {"cpu": _cpu(), "cores": cores, "memory_gib": _memory_gib(), "gpus": _gpus()}


def has_bfloat16() -> bool:
    """Whether the processor has instructions that multiply bfloat16 matrices or vectors."""
    return bool({"amx_bf16", "avx512_bf16"} & set(_cpuinfo("flags").split()))


def _cpu():
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key):
    """The first value of a key in Linux's description of the processor; elsewhere empty."""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return ""


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
