from hardware.lava.recall_steps import *
