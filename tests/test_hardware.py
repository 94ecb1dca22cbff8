import os
import sys
import types

import pytest

from kerasformer import hardware


@pytest.mark.parametrize(
    ("vendor", "flags", "quick"),
    [
        ("GenuineIntel", "fma avx512f avx512_bf16 amx_bf16 amx_tile amx_int8", True),
        ("GenuineIntel", "fma avx512f avx512_bf16", False),
        ("AuthenticAMD", "fma avx512f avx512_bf16", True),
        ("AuthenticAMD", "fma avx2", False),
        ("", "", False),
    ],
)
def test_which_processors_are_quick_at_bfloat16(vendor, flags, quick, monkeypatch):
    description = {"vendor_id": vendor, "flags": flags}
    monkeypatch.setattr(hardware, "_description", description.get)
    assert hardware.has_quick_bfloat16() is quick


@pytest.mark.parametrize(
    ("platform", "capability", "preferred"),
    [
        ("gpu", "9.0", True),
        ("gpu", "8.0", True),
        ("gpu", "7.5", False),
        ("gpu", "gfx90a", False),
        ("tpu", None, True),
        ("cpu", None, "as the processor"),
    ],
)
def test_which_devices_of_jax_prefer_bfloat16(platform, capability, preferred, monkeypatch):
    told = {} if capability is None else {"compute_capability": capability}
    device = types.SimpleNamespace(platform=platform, **told)
    fake = types.SimpleNamespace(local_devices=lambda: [device])
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    monkeypatch.setitem(sys.modules, "jax", fake)
    monkeypatch.setattr(hardware, "has_quick_bfloat16", lambda: "as the processor")
    assert hardware.prefers_bfloat16() == preferred


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize(
    ("capabilities", "preferred"),
    [([(9, 0)], True), ([(8, 0), (7, 5)], False), ([None], False), ([], "as the processor")],
)
def test_which_devices_of_tensorflow_prefer_bfloat16(capabilities, preferred, monkeypatch):
    import tensorflow as tf

    def details(capability):
        return {} if capability is None else {"compute_capability": capability}

    monkeypatch.setattr(hardware, "has_gpu", lambda: bool(capabilities))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    monkeypatch.setattr(hardware, "has_quick_bfloat16", lambda: "as the processor")
    assert hardware.prefers_bfloat16() == preferred


def test_this_machine():
    assert 1 <= hardware.cores() <= os.cpu_count()
    assert hardware.processor_name()
    assert hardware._description("no such key") == ""


@pytest.mark.parametrize(
    ("gibibytes", "tokens"),
    [(80, 2**17), (60, 2**16), (24, 2**15), (16, 2**15), (8, 2**14), (1, 2**12), (140, 2**17)],
)
def test_tokens_of_a_batch_follow_the_memory(gibibytes, tokens, monkeypatch):
    def memory():
        return gibibytes * 2**30

    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    monkeypatch.setattr(hardware, "_jax_memory", memory)
    monkeypatch.setattr(hardware, "_nvidia_memory", memory)
    assert hardware.device_tokens() == tokens


def test_a_cpu_has_no_such_number():
    assert hardware.device_tokens() is None


@pytest.mark.parametrize(
    ("platform", "told", "memory"),
    [("cpu", None, None), ("gpu", {"bytes_limit": 5}, 5), ("tpu", None, 4 * 2**30)],
)
def test_memory_of_a_device_of_jax(platform, told, memory, monkeypatch):
    device = types.SimpleNamespace(platform=platform, memory_stats=lambda: told)
    fake = types.SimpleNamespace(local_devices=lambda: [device], process_count=lambda: 1)
    monkeypatch.setitem(sys.modules, "jax", fake)
    assert hardware._jax_memory() == memory
    fake.process_count = lambda: 2  # whose devices may have different memories
    assert hardware._jax_memory() is None


@pytest.mark.parametrize(("told", "memory"), [("81559\n24564\n", 18423 * 2**20), ("", 4 * 2**30)])
def test_memory_that_the_driver_tells(told, memory, monkeypatch):
    done = types.SimpleNamespace(stdout=told)
    monkeypatch.setattr(hardware.subprocess, "run", lambda *args, **options: done)
    assert hardware._nvidia_memory.__wrapped__() == memory


def test_without_a_driver_little_memory_is_assumed(monkeypatch):
    def run(*args, **options):
        raise FileNotFoundError

    monkeypatch.setattr(hardware.subprocess, "run", run)
    assert hardware._nvidia_memory.__wrapped__() == 4 * 2**30
