"""Lava computes on every Python what it computes on Python 3.10, for which it was made."""

import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest

from hardware.lava import Session, require_lava

pytestmark = pytest.mark.timeout(60)
STEPS = 20


def source(shape, low, high):
    from lava.proc.io.source import RingBuffer

    data = np.random.default_rng(0).integers(low, high, (*shape, STEPS))
    return RingBuffer(data=data)


def lif():
    from lava.proc.lif.process import LIF

    neurons = LIF(shape=(50,), vth=20_000, du=500, dv=200, bias_mant=3)
    return source((50,), 0, 900), neurons.a_in, neurons.s_out


def dense():
    from lava.proc.dense.process import Dense

    weights = 2 * np.random.default_rng(1).integers(-100, 100, (30, 50))
    connection = Dense(weights=weights, num_message_bits=16, weight_exp=-1)
    return source((50,), -500, 500), connection.s_in, connection.a_out


def conv():
    from lava.proc.conv.process import Conv

    weights = 2 * np.random.default_rng(2).integers(-100, 100, (3, 2, 2, 4))
    connection = Conv(weight=weights, input_shape=(8, 8, 4), padding=1, num_message_bits=16)
    return source((8, 8, 4), -500, 500), connection.s_in, connection.a_out


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(lif, "a4d2fbfa9e781eb4"), (dense, "b42388a18bdd6ded"), (conv, "a2c6d3356133a5d0")],
)
def test_bits_are_those_of_python_3_10(parts, expected):
    """Measured with Python 3.10.13, NumPy 1.26.4 and networkx 2.8.7, as Lava wants them."""
    require_lava()
    from lava.proc.io.sink import RingBuffer

    sender, in_port, out_port = parts()
    reader = RingBuffer(shape=out_port.shape, buffer=STEPS)
    sender.s_out.connect(in_port)
    out_port.connect(reader.a_in)
    with Session(sender) as session:
        session.run(STEPS)
        found = reader.data.get()
    assert np.unique(found).size > 1
    bits = found.astype("<i8").tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == expected


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False
    )


def test_a_program_that_imports_lava_itself():
    """Once `hardware` is imported; and Lava and dataclasses are as they were."""
    run = python(
        "import dataclasses; original = dataclasses.dataclass\n"
        "import hardware\n"
        "from lava.magma.compiler.var_model import ByteEncoder, CoreEncoder\n"
        "from lava.proc.lif.process import LIF\n"
        "assert dataclasses.dataclass is original\n"
        "assert ByteEncoder.__hash__ is CoreEncoder.__hash__ is None\n"
        "assert CoreEncoder().x == ByteEncoder() == ByteEncoder(0, 0, 0)\n"
    )
    assert run.stderr == ""


def test_a_python_that_lava_cannot_be_imported_on():
    run = python(
        "from hardware.lava import install\n"
        "def refuse(name): raise ValueError('mutable default')\n"
        "install.importlib.import_module = refuse\n"
        "install.require_lava()"
    )
    version = ".".join(map(str, sys.version_info[:2]))
    expected = f"MissingDependencyError: .* on this Python {version} \\(mutable default\\)"
    assert re.search(expected, run.stderr)
