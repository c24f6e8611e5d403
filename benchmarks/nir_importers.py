"""Which frameworks run the NIR files of a memory, each in an environment of its own.

    python benchmarks/nir_importers.py                       # all of them; needs uv, and downloads
    python benchmarks/nir_importers.py write FOLDER          # the files alone
    python benchmarks/nir_importers.py run FRAMEWORK FOLDER  # in an environment that has it

A memory of digits is written in both forms (`lossy="metadata"` and `lossy="spikes"`), with damaged
digits. A framework gets them step by step at its one input; its output of the last step is compared
within 1e-3 with the memory that has the largest overlap with the cue, and with what the emulator
recalls.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FRAMEWORKS = ("nirtorch", "norse", "sinabs", "snntorch")
FORMS = ("metadata", "spikes")
MEMORIES, CUES, STEPS = 20, 100, 5


def write(folder: Path) -> None:
    import amsim as am
    import hardware as hw
    from hardware import export

    stored = am.patterns.digits(MEMORIES, seed=0)
    plan = hw.compile(am.dense_am(stored, hidden=am.Softmax(beta=2.0)))
    cues = am.patterns.corrupt(stored[np.arange(CUES) % MEMORIES], flip=0.2, seed=1)
    for form in FORMS:
        export.nir(plan, folder / f"{form}.nir", lossy=form, force=True)
    recalled = hw.run(plan, cues).final["visible"]
    nearest = stored[(cues @ stored.T).argmax(axis=1)]
    np.savez(folder / "cues.npz", cues=cues, recalled=recalled, nearest=nearest)


def run(framework: str, folder: Path) -> None:
    """One line for each form."""
    from importlib.metadata import version

    import torch

    with np.load(folder / "cues.npz") as file:
        cues, nearest, recalled = file["cues"], file["nearest"], file["recalled"]
    versions = ", ".join(f"{name} {version(name)}" for name in (framework, "nir", "torch"))
    for form in FORMS:
        start = time.perf_counter()
        try:
            with torch.no_grad():
                output = RUNNERS[framework](str(folder / f"{form}.nir"), torch.Tensor(cues))
            output = np.asarray(output)
            if output.shape != recalled.shape:
                raise ValueError(f"its output has shape {output.shape}")
        except Exception as error:  # the result of the test, whatever it is
            reason = str(error).splitlines()[0][:90] if str(error) else ""
            print(f"{versions}; {form}: {type(error).__name__}: {reason}")
            continue
        seconds = time.perf_counter() - start
        near, same = (np.abs(output - x).max(axis=1) < 1e-3 for x in (nearest, recalled))
        print(
            f"{versions}; {form}: of {len(cues)} cues {near.sum()} give the nearest memory, "
            f"{same.sum()} what the emulator recalls; {seconds:.2f} s"
        )


def through_time(module: Any, cues: Any) -> Any:
    """The output of the last step of a module that gets a step, and its state, at a time."""
    state = None
    for _ in range(STEPS):
        output = module(cues) if state is None else module(cues, state)
        output, state = output if isinstance(output, tuple) else (output, None)
    return output


def run_snntorch(path: str, cues: Any) -> Any:
    import nir
    from snntorch.import_nir import import_from_nir

    return through_time(import_from_nir(nir.read(path)), cues)


def run_norse(path: str, cues: Any) -> Any:
    import nir
    import norse.torch

    # Steps as long as the neurons remember.
    return through_time(norse.torch.from_nir(nir.read(path), dt=1e-4), cues)


def run_sinabs(path: str, cues: Any) -> Any:
    import nir
    import sinabs.nir

    module = sinabs.nir.from_nir(nir.read(path), num_timesteps=STEPS)
    found = module(cues.repeat_interleave(STEPS, 0))  # all steps of a cue, then the next cue
    found = found[0] if isinstance(found, tuple) else found
    return found.reshape(len(cues), STEPS, -1)[:, -1]


def run_nirtorch(path: str, cues: Any) -> Any:
    import nir
    import nirtorch
    import torch

    class Neurons(torch.nn.Module):  # of NIR's equation, by Euler steps of tau
        def __init__(self, node: Any) -> None:
            super().__init__()
            self.node = node

        def forward(self, x: Any) -> Any:
            return (torch.Tensor(self.node.r) * x > torch.Tensor(self.node.v_threshold)).float()

    def affine(node: Any) -> Any:
        # As in NIRTorch, which leaves out the bias (2.6).
        module = torch.nn.Linear(node.weight.shape[1], node.weight.shape[0])
        module.weight.data, module.bias.data = torch.Tensor(node.weight), torch.Tensor(node.bias)
        return module

    return through_time(
        nirtorch.nir_to_torch(nir.read(path), {nir.LIF: Neurons, nir.Affine: affine}), cues
    )


RUNNERS = {
    "nirtorch": run_nirtorch,
    "norse": run_norse,
    "sinabs": run_sinabs,
    "snntorch": run_snntorch,
}


def every(torch: str, find_links: str) -> None:
    """Make the environments one after the other, and run the files in each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        for framework in FRAMEWORKS:
            python = folder / framework / "bin" / "python"
            make = ["uv", "venv", "-q", "--python", sys.executable, str(folder / framework)]
            install = ["uv", "pip", "install", "-q", "--python", str(python), framework, torch]
            links = ["--find-links", find_links] if find_links else []
            try:
                subprocess.run(make, check=True)
                subprocess.run([*install, "nir", "nirtorch", "h5py", *links], check=True)
            except subprocess.CalledProcessError:
                print(f"{framework}: cannot be installed")
                continue
            subprocess.run([python, __file__, "run", framework, name], check=False, timeout=600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("write").add_argument("folder", type=Path)
    running = commands.add_parser("run")
    running.add_argument("framework", choices=FRAMEWORKS)
    running.add_argument("folder", type=Path)
    parser.add_argument("--torch", default="torch", help="what uv installs as PyTorch")
    parser.add_argument("--find-links", default="", help="a folder with its wheel, for uv")
    args = parser.parse_args()
    if args.command == "write":
        write(args.folder)
    elif args.command == "run":
        run(args.framework, args.folder)
    else:
        every(args.torch, args.find_links)


if __name__ == "__main__":
    main()
