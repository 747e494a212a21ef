"""Making a step scorer, and whether it is to be trusted: measured on known steps, beside what costs nothing.

labelling -> a student's solutions to training problems, labelled by its own rollouts
training  -> a reward model of them, without what is held out
solutions -> what a student writes for a task, its pass rates, and its steps checked exactly where they can be
measuring -> figures of a scorer and of the baselines on the same solutions; on ProcessBench files
"""
