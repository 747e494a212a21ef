"""Tiny random reward models in the layout that each family is published in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from real_tokenizers import LLAMA3_TEMPLATE
from tiny_models import SMALL, tokenizer

HIDDEN = SMALL["hidden_size"]


def write_prm(family: str, folder: Path, real: Any = None) -> Path:
    """Write one, with a tiny tokenizer or a real one, and give its folder."""
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(1)
    fast = real or tokenizer()
    if family == "qwen2.5-math-prm":
        fast.add_special_tokens({"additional_special_tokens": ["<extra_0>"]})
    if real is None:
        fast.chat_template = LLAMA3_TEMPLATE.replace("<|start_header_id|>", "<s>").replace("<|eot_id|>", "</s>")
    kind = {"math-shepherd": "Mistral", "rlhflow": "Llama"}.get(family, "Qwen2")
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, "vocab_size": len(fast)})
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    named: dict[str, Any] = json.loads((folder / "config.json").read_text())
    if family == "qwen2.5-math-prm":
        del tensors["lm_head.weight"]
        shapes = {
            "score.0.weight": (HIDDEN, HIDDEN),
            "score.0.bias": (HIDDEN,),
            "score.2.weight": (2, HIDDEN),
            "score.2.bias": (2,),
        }
        tensors |= {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}
        named |= {"architectures": ["Qwen2ForProcessRewardModel"], "auto_map": {"AutoModel": "modeling_qwen2_rm.Evil"}}
        (folder / "modeling_qwen2_rm.py").write_text("raise RuntimeError('code from a model folder was run')\n")
    if family == "skywork-o1-open-prm":
        tensors |= {"v_head.summary.weight": torch.randn(1, HIDDEN) * 0.3, "v_head.summary.bias": torch.randn(1)}
        named |= {"architectures": ["Qwen2ForPrmModel"]}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(named))
    return folder
