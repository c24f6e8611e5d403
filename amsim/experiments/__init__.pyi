from experiments import *
