"""Where work runs: tasks of plain data, and executors that run them in other processes."""
