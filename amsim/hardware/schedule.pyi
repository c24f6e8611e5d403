from hardware.schedule import *
