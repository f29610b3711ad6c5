"""Decision rules: how probabilities become classes, chosen nested; cuts moved after training."""
