from experiments.runner.files import *
