from hardware.lava.integers import *
