from hardware.lava.sums import *
