"""Find final answers in completions and compare them with references."""
