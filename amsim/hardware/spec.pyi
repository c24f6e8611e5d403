from hardware.spec import *
