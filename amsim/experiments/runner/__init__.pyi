from experiments.runner import *
