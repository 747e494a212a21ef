"""Is a step scorer to be trusted? Measured on solutions whose steps are known, beside what costs nothing.

solutions -> what a student writes for a task, its pass rates, and its steps checked exactly where they can be
measuring -> figures of a scorer and of the baselines on the same solutions; on ProcessBench files
names     -> what `selfimprove prm evaluate SCORER` may name
"""
