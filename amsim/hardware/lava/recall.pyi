from hardware.lava.recall import *
