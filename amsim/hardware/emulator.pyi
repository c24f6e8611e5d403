from hardware.emulator import *
