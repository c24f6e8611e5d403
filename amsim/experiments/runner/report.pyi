from experiments.runner.report import *
