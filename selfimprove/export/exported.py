"""Write the best student of a campaign into a folder of its own, ready to be loaded or uploaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final, NamedTuple

from selfimprove import progress
from selfimprove.arms import program_of
from selfimprove.campaign import read_summary
from selfimprove.config import Config, load_config
from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.export.base import base_name, base_of, licence_of
from selfimprove.export.card import Told, card_of
from selfimprove.graphs.places import round_of
from selfimprove.openings import Look, count_look, decided, run_id
from selfimprove.programs import Program
from selfimprove.records import Attempt, Problem, Sampling, TrainingJob, Verdict
from selfimprove.report.schema import Summary
from selfimprove.store import RunFolder, check_folder, write_whole
from selfimprove.students.adapters import is_whole

_ADAPTER: Final = ("adapter_model.safetensors", "metrics.json", "training.jsonl")
_CHECKED: Final = 200
_CARD: Final = "README.md"
_CHECK: Final = "Merging was checked on"


class Exported(NamedTuple):
    """What was written.

    Attributes:
        folder: where.
        checked: what merging was seen to change, in one sentence; empty where nothing was merged.
        load: the line of Python that loads it.
    """

    folder: Path
    checked: str
    load: str


def export(run: Path, out: Path, *, merge: bool = False) -> Exported:
    """Write the best adapter of a campaign, or the model that it makes of its base, with a model card.

    Merging is into the 16-bit weights that the campaign evaluated, also where training held the base in 4 bits; the
    merged model then solves dev problems again, and the card says what changed.

    Where this export is there already, as an upload failed, it is given as it is.

    Args:
        run: the campaign's folder, which stays as it is.
        out: a new or empty folder.
        merge: write the whole model instead of the adapter.

    Raises:
        InputError: nothing was promoted, the base cannot be found, the folder is not empty, or `run` is no campaign.
    """
    if (run / "combined.json").is_file():
        raise InputError(
            f"{run} is made of several adapters and was promoted by no campaign, so there are no figures for a card; "
            "try it with selfimprove mine --adapter, and load it with PeftModel as it is"
        )
    summary = read_summary(run)
    if not summary.best.path:
        raise InputError(
            f"{run}: no round was promoted, so the base model is still the best; there is nothing to export"
        )
    if out.resolve() == Path.cwd():
        raise InputError(f"{out} is the folder that you are in; name a new one")
    config, adapter = load_config(run / "campaign.toml"), run / _inside(summary.best.path)
    whole = is_whole(adapter)
    load = (
        f'AutoModelForCausalLM.from_pretrained("{out}")'
        if merge or whole
        else f'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base_of(config)}"), "{out}")'
    )
    made = json.loads((adapter / "metrics.json").read_bytes())
    told = Told(base_name(config), licence_of(config), merge or whole, "", _asked(adapter), made["render_hash"])
    check_folder(out)
    checked = _checked_there(out, summary, told, merge=merge)
    if checked is not None:
        return Exported(out, checked, load)
    check_folder(out, new=True)
    begun = out.with_name(f".{out.name}.part")
    shutil.rmtree(begun, ignore_errors=True)  # of one that was killed
    begun.mkdir(parents=True)
    try:
        checked = _merged(run, begun, config, adapter) if merge else ""
        if not merge and whole:
            shutil.copytree(
                adapter, begun, dirs_exist_ok=True, ignore=shutil.ignore_patterns("job.json", "training.log")
            )
        elif not merge:
            _copied(adapter, begun, told.base)
        write_whole(begun / _CARD, card_of(summary, told._replace(checked=checked)).encode())
        if out.exists():
            out.rmdir()
        begun.rename(out)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    return Exported(out, checked, load)


def _checked_there(out: Path, summary: Summary, told: Told, *, merge: bool) -> str | None:
    """Give what merging was checked to change in an export that is there, whole; None where it is another or none.

    A folder gets its name when all of it is written, so one with this campaign's card can be uploaded as it is.
    """
    card = (out / _CARD).read_text(encoding="utf-8") if (out / _CARD).is_file() else ""
    checked = next((line for line in card.splitlines() if line.startswith(_CHECK)), "")
    same = bool(checked) is merge and card == card_of(summary, told._replace(checked=checked))
    return checked if same else None


def _asked(adapter: Path) -> str:
    """Give the messages that a student was taught to answer, as JSON, with PROBLEM where its problem goes."""
    states = TrainingJob.model_validate_json((adapter / "job.json").read_bytes()).program_state
    program = Program.load(next(iter(states.values())))
    turns = [turn.model_dump() for turn in program.messages({"problem": "PROBLEM"})]
    return json.dumps(turns, indent=1, ensure_ascii=False)


def push(folder: Path, repo: str) -> str:
    """Upload an exported folder to the hub, as a private repository, and give its address.

    Raises:
        InputError: the hub refuses or cannot be reached.
        MissingDependencyError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingDependencyError('uploading needs pip install "selfimprove[train]"') from error
    api = HfApi()
    try:
        api.create_repo(repo, private=True, exist_ok=True)
        public = not api.repo_info(repo).private
        address = "" if public else str(api.upload_folder(repo_id=repo, folder_path=folder))
    except Exception as error:  # the client's errors share no base that it documents
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(f"{repo} was not uploaded: {said[:300]}; log in with `hf auth login`, or try later") from error
    if public:
        raise InputError(f"{repo} is there already and public; name another, or upload {folder} yourself")
    return address


def _inside(path: str) -> Path:
    """Give the place of an adapter inside its run folder, wherever that lies by now."""
    return Path(*Path(path).parts[-4:])


def _copied(adapter: Path, out: Path, base: str) -> None:
    for name in _ADAPTER:
        shutil.copyfile(adapter / name, out / name)
    told: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    told["base_model_name_or_path"] = base  # not a folder of the machine that trained it
    write_whole(out / "adapter_config.json", (json.dumps(told, indent=2, sort_keys=True) + "\n").encode())


def _merged(run: Path, out: Path, config: Config, adapter: Path) -> str:
    """Save the merged model, solve dev problems with it, and say how that compares with what the campaign measured."""
    from selfimprove.students.transformers import TransformersStudent

    how: dict[str, Any] = {
        "dtype": config.student.dtype,
        "device": config.student.device,
        "slots": config.student.slots,
    }
    TransformersStudent(config.campaign.student, adapter=adapter, **how).save(out)
    folder = RunFolder(run, writer=False)
    arm = adapter.parent
    before = {a.problem: a for a in folder.rows(f"{arm.relative_to(run)}/predictions.jsonl", Attempt)}
    problems = [p for p in folder.rows("data/dev.jsonl", Problem) if p.id in before][:_CHECKED]
    look = Look(split="dev", run=run_id(run), what=f"{decided(round_of(str(arm.relative_to(run))), arm.name)}, merged")
    count_look(folder.hashes["data/dev.jsonl"], look)
    after = _solved(TransformersStudent(out, **how), problems, config, folder, program_of(arm.name))
    same = sum(a.completion.text == before[a.problem].completion.text for a in after)
    right = [sum(a.verdict is Verdict.CORRECT for a in some) for some in ([before[p.id] for p in problems], after)]
    said = (
        f"{_CHECK} {len(problems)} dev problems: {right[0]} solved before, {right[1]} after, "
        f"{same} of the completions are the same."
    )
    progress.current().say(said)
    return said


def _solved(student: Any, problems: list[Problem], config: Config, folder: RunFolder, program: str) -> list[Attempt]:
    from selfimprove.campaign import Campaign
    from selfimprove.graphs.compiling import programs_of
    from selfimprove.steps.draft import solve

    task = Campaign(config).load_task()
    how, asked = Sampling(max_tokens=config.student.max_tokens), programs_of(folder, task, config)[program]
    return [some[0] for some in solve(problems, student, asked, task, how)]
