from hardware.lava.graph import *
