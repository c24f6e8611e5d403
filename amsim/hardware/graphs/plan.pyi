from hardware.graphs.plan import *
