"""The command `selfimprove curate`: settings to parts, a run that goes on, and the page a person looks at."""
