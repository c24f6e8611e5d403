from hardware.lava import *
