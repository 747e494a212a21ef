"""Nothing is trained on what it is tested on: held-out problems are known, and found in whatever wants to be a row."""

from selfimprove.leakage.guard import Guard
from selfimprove.leakage.held_out import HeldOut, Hit, Refused, question_of, text_of
from selfimprove.leakage.words import normalised, words

__all__ = ["Guard", "HeldOut", "Hit", "Refused", "normalised", "question_of", "text_of", "words"]
