from experiments.runner.html_report import *
