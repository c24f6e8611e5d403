from hardware.lava.driven_input import *
