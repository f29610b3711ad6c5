"""Studies of several runs: comparison of two runs, ablations, searches."""
