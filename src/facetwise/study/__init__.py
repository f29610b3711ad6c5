"""Many runs as one question: which of two is better, what does each change do, where is the best setting."""
