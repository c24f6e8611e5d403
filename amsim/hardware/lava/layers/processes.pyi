from hardware.lava.layers.processes import *
