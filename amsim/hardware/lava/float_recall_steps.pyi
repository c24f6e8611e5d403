from hardware.lava.float_recall_steps import *
