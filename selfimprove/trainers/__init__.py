"""Trainers: thin over TRL and PEFT, each in a process of its own."""
