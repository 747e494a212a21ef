"""Programs that learn: cases of a task, metrics, and a compiled program with its card."""
