from hardware.lava.graph.processes import *
