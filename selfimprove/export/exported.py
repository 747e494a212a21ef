"""Write a student of a campaign into a folder of its own, ready to be loaded or uploaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from selfimprove.campaign import read_summary
from selfimprove.config import Config, load_config
from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.export.base import base_name, base_of, licence_of
from selfimprove.export.card import Told, card_of
from selfimprove.export.chosen import COMBINED, Chosen, choose
from selfimprove.export.merging import CHECK, merged
from selfimprove.programs import Program
from selfimprove.records import TrainingJob
from selfimprove.report.schema import Summary
from selfimprove.store import RunFolder, check_folder, whole_folder, write_whole
from selfimprove.students.adapters import WEIGHTS, check_base, is_whole, loading, prompt_hash
from selfimprove.students.fetch import fetch

_TRAINING: Final = ("metrics.json", "training.jsonl")
_CARD: Final = "README.md"


class Exported(NamedTuple):
    """What was written.

    Attributes:
        folder: where.
        checked: what merging was seen to change, in one sentence; empty where nothing was merged.
        load: the lines of Python that load it.
    """

    folder: Path
    checked: str
    load: str


def export(run: Path, out: Path, *, adapter: Path | None = None, merge: bool = False) -> Exported:
    """Write an adapter of a campaign, or the model that it makes of its base, with a model card.

    Merging is into the weights that are evaluated, also where training held the base in 4 bits, and in their number
    format: `student.dtype`, by default bfloat16 where this machine computes in it. The merged model then solves dev
    problems again, and the card says what changed; one that is significantly worse is not given.

    Where this export is there already, as an upload failed, it is given as it is.

    Args:
        run: the campaign's folder, which stays as it is.
        out: a new or empty folder.
        adapter: folder of one that the campaign trained, or that was combined of those; None: its best.
        merge: write the whole model instead of the adapter.

    Raises:
        InputError: nothing was promoted, the adapter is not of the campaign, its base cannot be found, the folder is
            not empty, or `run` is no campaign.
        SelfImproveError: the merged model is worse.
    """
    if (run / COMBINED).is_file():
        raise InputError(
            f"{run} is made of several adapters and is no campaign; try it with selfimprove mine --adapter, and export "
            f"it with selfimprove export RUN --adapter {run}, where RUN is the campaign of its parts"
        )
    summary = read_summary(run)
    folder = RunFolder(run, writer=False)
    chosen = choose(folder, summary, adapter)
    if out.resolve() == Path.cwd():
        raise InputError(f"{out} is the folder that you are in; name a new one")
    config, program = load_config(run / "campaign.toml"), _program_of(folder.at(chosen.parts[0]))
    if chosen.how:
        check_base(chosen.folder, fetch(config.campaign.student))
    whole = merge or is_whole(chosen.folder)
    hashed = prompt_hash(chosen.folder)
    told = Told(chosen, base_name(config), licence_of(config), whole, "", _asked(program), hashed)
    check_folder(out)
    checked = _checked_there(out, summary, told, merge=merge)
    if checked is not None:
        return Exported(out, checked, _loading(out, config))
    with whole_folder(out) as begun:
        checked = merged(folder, begun, config, chosen, program) if merge else ""
        if not merge:
            _copied(chosen, begun, told.base)
        write_whole(begun / _CARD, card_of(summary, told._replace(checked=checked)).encode())
    return Exported(out, checked, _loading(out, config))


def _loading(out: Path, config: Config) -> str:
    """Write the Python that loads an export."""
    return loading(out, base_of(config), f"{out.resolve() / _CARD} has the messages to ask it with")


def _checked_there(out: Path, summary: Summary, told: Told, *, merge: bool) -> str | None:
    """Give what merging was checked to change in an export that is there, whole; None where it is another or none.

    A folder gets its name when all of it is written, so one with this campaign's card can be uploaded as it is.
    """
    card = (out / _CARD).read_text(encoding="utf-8") if (out / _CARD).is_file() else ""
    checked = next((line for line in card.splitlines() if line.startswith(CHECK)), "")
    same = bool(checked) is merge and card == card_of(summary, told._replace(checked=checked))
    return checked if same else None


def _program_of(adapter: Path) -> Program:
    """Give the program that a student was trained and measured under."""
    states = TrainingJob.model_validate_json((adapter / "job.json").read_bytes()).program_state
    return Program.load(next(iter(states.values())))


def _asked(program: Program) -> str:
    """Give the messages that a student was taught to answer, as JSON, with PROBLEM where its problem goes."""
    inputs = {name: name.upper() for name in program.predict.signature.input_fields}
    turns = [turn.model_dump() for turn in program.messages(inputs)]
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


def _copied(chosen: Chosen, out: Path, base: str) -> None:
    """Copy an adapter, or a whole model, without the paths of this machine."""
    if is_whole(chosen.folder):
        shutil.copytree(
            chosen.folder, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("job.json", "training.log")
        )
        return
    for name in (WEIGHTS,) if chosen.how else (WEIGHTS, *_TRAINING):
        shutil.copyfile(chosen.folder / name, out / name)
    _rewritten(chosen.folder, out, "adapter_config.json", base_model_name_or_path=base)
    if chosen.how:
        _rewritten(chosen.folder, out, COMBINED, combined=chosen.parts)


def _rewritten(folder: Path, out: Path, name: str, **changed: object) -> None:
    """Copy a file of JSON with some of its values changed."""
    told = {**json.loads((folder / name).read_text(encoding="utf-8")), **changed}
    write_whole(out / name, (json.dumps(told, indent=2, sort_keys=True) + "\n").encode())
