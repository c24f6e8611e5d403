from hardware import *
