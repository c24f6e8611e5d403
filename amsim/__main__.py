"""Run the command line as ``python -m amsim``."""

import sys

from amsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
