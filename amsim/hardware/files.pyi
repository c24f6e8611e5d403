from hardware.files import *
