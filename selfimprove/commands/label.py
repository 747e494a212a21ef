"""The commands `selfimprove label` and `selfimprove coverage`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from selfimprove.commands.options import ledger_of, path_type, quiet_option
from selfimprove.formats import dollars

_taxonomy = click.option(
    "--taxonomy",
    "named",
    required=True,
    help="A taxonomy's TOML file, or three_subjects, the example that comes along.",
)
_question = click.option("--question-field", default="question", show_default=True, help="Field with the question.")


@click.command()
@click.argument("problems", type=path_type)
@_taxonomy
@click.option("--model", required=True, metavar="MODEL[@URL]", help="What labels: any LiteLLM model, or a server.")
@click.option("--check-model", metavar="MODEL[@URL]", help="What checks; default: the same model, another program.")
@click.option(
    "--out", type=path_type, default=Path("runs/labels"), show_default=True, help="Folder of what is written."
)
@click.option("--budget-usd", type=click.FloatRange(0), help="The most that all calls of the folder may cost.")
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Calls under way at once.")
@click.option("--input-price", type=click.FloatRange(0), help="Dollars per million prompt tokens, if no list has it.")
@click.option("--output-price", type=click.FloatRange(0), help="Dollars per million completion tokens.")
@click.option("--names", type=click.IntRange(1), default=80, show_default=True, help="Most names a prompt lists.")
@click.option("--plain", is_flag=True, help="Take both prompts as they are written, not as `compile` improved them.")
@click.option("--no-gold", is_flag=True, help="Do not read labels that the file has; write over them.")
@_question
@quiet_option
def label(problems: Path, named: str, out: Path, quiet: bool, **how: Any) -> None:  # noqa: FBT001 - click gives flags so
    """Label PROBLEMS in all dimensions of a taxonomy, and check each label by a second, independent judgement.

    Disagreements are listed. Labels that the file has already are gold: what the models say is measured against them.
    The same command again makes no call twice; at the budget it ends with code 3 and goes on when the budget is raised.
    Labels of another file, or by another taxonomy, model or prompt, are not overwritten: give another --out.
    """
    from selfimprove.labels.agreement import check_metrics
    from selfimprove.labels.given import checked, read_given
    from selfimprove.labels.labelling import Labeller
    from selfimprove.labels.reading import taxonomy_named
    from selfimprove.labels.stage import label_file
    from selfimprove.labels.table import written
    from selfimprove.live import showing
    from selfimprove.programs.saved import proven_for
    from selfimprove.teachers.named import check_models, model_named

    taxonomy = taxonomy_named(named)
    given = read_given(problems, how["question_field"])
    given = [one._replace(labels={}) for one in given] if how["no_gold"] else checked(given, taxonomy)
    check_metrics()
    asked = {name: how[name] for name in ("concurrency", "input_price", "output_price")}
    check_models({how["model"], how["check_model"] or how["model"]}, **asked)
    with showing(quiet=quiet), ledger_of({"ledger_file": out / "ledger.sqlite", **how}) as ledger:
        saved = {} if how["plain"] else proven_for(("label", "check_label"), "")
        programs = {name: one.program for name, one in saved.items()}
        labels = model_named(how["model"], ledger, **asked)
        first = Labeller(taxonomy, labels, program=programs.get("label"), widest=how["names"])
        checker = model_named(how["check_model"] or how["model"], ledger, **asked)
        second = Labeller(taxonomy, checker, "check_label", programs.get("check_label"), widest=how["names"])
        report = label_file(given, first, second, out)
        spent = ledger.spent_usd
    click.echo(f"{written(report)}\nSpent: {dollars(spent)}\nWritten into: {out}")


@click.command()
@click.argument("problems", type=path_type)
@_taxonomy
@click.option("--out", type=path_type, required=True, help="Folder of what is written.")
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["form", "difficulty", "key_stage"]),
    default=["form"],
    show_default=True,
    help="What cells are divided by beside the levels; may be repeated.",
)
@_question
def coverage(problems: Path, named: str, out: Path, by: tuple[str, ...], question_field: str) -> None:
    """Hold labelled PROBLEMS against the quotas of a taxonomy: what is there, and what is missing.

    Writes a spreadsheet (a row a cell, a row a problem), the cells as CSV, and a page with heat maps.
    """
    from selfimprove.labels.coverage import cover
    from selfimprove.labels.given import read_given
    from selfimprove.labels.reading import taxonomy_named
    from selfimprove.labels.sheet import check_openpyxl, write_csv, write_xlsx
    from selfimprove.labels.table import told
    from selfimprove.report.coverage import write_coverage_page

    check_openpyxl()
    found = cover(read_given(problems, question_field), taxonomy_named(named), tuple(dict.fromkeys(by)))
    write_coverage_page(found, out / "coverage.html")
    write_csv(found, out / "coverage.csv")
    write_xlsx(found, out / "coverage.xlsx")
    click.echo(f"{told(found)}\nSheet: {out / 'coverage.xlsx'}\nHeat map: {out / 'coverage.html'}")
