from hardware.lava.layers import *
