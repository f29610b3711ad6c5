"""Where work runs: tasks as plain data, and executors that run them in other processes."""
