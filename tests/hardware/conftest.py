import sys
from pathlib import Path

import hardware.lava  # noqa: F401 - from here on Lava can be imported, on every Python

# Lava's compiler executes every file beside a process: the processes have a folder of their own,
# which is not collected.
collect_ignore = ["lava_failures"]
sys.path.append(str(Path(__file__).parent / "lava_failures"))
