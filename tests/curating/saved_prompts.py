"""Saved programs with cards, as `selfimprove compile` writes them."""

from __future__ import annotations

from pathlib import Path

from selfimprove.programs import Program
from selfimprove.programs.saved import Card, Measured, place_of, save_program
from selfimprove.records import Interval
from selfimprove.stats import compare_means


def save(program: Program, *, task: str = "seeds", answers: str = "", gain: float = 1.0) -> Program:
    """Save a program for a task into `programs/` of the working folder."""
    half = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    card = Card(
        program=program.name,
        task=task,
        fields=program.fields,
        saved="",
        optimizer="gepa",
        metric="valid",
        model="m",
        written_by="w",
        cases=9,
        held_out=20,
        before=half,
        after=half,
        gain=compare_means([gain] * 20, [0.0] * 20),
        data="d",
        seed=0,
        date="2026-01-02",
        answers=answers,
    )
    save_program(program, card, place_of(program.name, task, Path("programs")))
    return program
