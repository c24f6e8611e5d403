import sys
from pathlib import Path

# Lava's compiler executes every file beside a process: the processes have a folder of their own,
# which is not collected.
collect_ignore = ["lava_failures"]
sys.path.append(str(Path(__file__).parent / "lava_failures"))
