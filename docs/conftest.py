"""What pytest must not import when it looks for examples in these pages."""

collect_ignore_glob = ["conf.py", "tutorials/*.py"]
