from hardware.plan import *
