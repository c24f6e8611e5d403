from hardware.lava.shared_graph import *
