from hardware.graphs import *
