"""What a comparison ran on: the versions of the packages, and the hardware."""

import importlib.metadata
import os
import platform

from kerasformer import processor

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
    return {
        "cpu": processor.name(),
        "cores": processor.cores(),
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
