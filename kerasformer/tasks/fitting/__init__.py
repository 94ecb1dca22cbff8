"""The training loop of every task, and what watches over it."""
