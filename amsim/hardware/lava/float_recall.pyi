from hardware.lava.float_recall import *
