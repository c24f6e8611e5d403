from hardware.ranges import *
