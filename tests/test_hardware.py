import os

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


def test_this_machine():
    assert 1 <= hardware.cores() <= os.cpu_count()
    assert hardware.processor_name()
    assert hardware._description("no such key") == ""
