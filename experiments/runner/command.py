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
        What follows the name; by default the arguments of this process, which signals end as they
        end ``amsim``.

    Returns
    -------
    int
        The exit code of `amsim.cli.main`.
    """
    if argv is None:
        from amsim.__main__ import main as command

        return command(["experiment", experiment.name, *sys.argv[1:]])
    from amsim.cli import main as part

    return part(["experiment", experiment.name, *argv])
