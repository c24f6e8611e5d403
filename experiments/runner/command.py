"""The command ``python -m experiments.NAME``, which is ``amsim experiment NAME``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .experiment import Experiment


def main(experiment: Experiment, argv: Sequence[str] | None = None) -> int:
    """Run the command line of one experiment.

    Parameters
    ----------
    experiment : Experiment
    argv : sequence of str, optional
        What follows the name; by default the arguments of this process.

    Returns
    -------
    int
        The exit code of `amsim.cli.main`.
    """
    from amsim.cli import main as amsim

    arguments = sys.argv[1:] if argv is None else argv
    return amsim(["experiment", experiment.name, *arguments])
