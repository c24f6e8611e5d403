from hardware.lava.shared_job import *
