from hardware.graphs.machine import *
