"""A curation from its settings to its page; `curating/` holds its rules, and `graphs/curate.py` its rounds.

settings -> read, written into its folder, compared with what is there
refusing -> what is refused before it begins, as no model could help it
people   -> who generates, solves, checks and traces
prompts  -> the saved ones that it begins with
stage    -> the run: parts from settings, rounds from the start or from where it stopped
cleaning -> what a refused one leaves behind
page     -> what a person looks at
"""
