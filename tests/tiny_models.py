"""Tiny random models of several families, with a real tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant:{% endif %}"
)
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {"tie_word_embeddings": True}),
    "gemma2": ("Gemma2Config", {"sliding_window": 16, "query_pre_attn_scalar": 8}),
    "gemma3": ("Gemma3TextConfig", {"sliding_window": 16, "query_pre_attn_scalar": 8}),
    "phi3": ("Phi3Config", {"sliding_window": None}),
    "mistral": ("MistralConfig", {"sliding_window": 12}),
    "lfm2": ("Lfm2Config", {"layer_types": ["conv", "full_attention", "conv"]}),
}
_STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", _STILL),
    "roberta": ("RobertaConfig", _STILL),
    "modernbert": ("ModernBertConfig", {"cls_token_id": 1, "sep_token_id": 2, "local_attention": 16}),
}
"""Models that read both ways, published as they come from masked training: without a pooler's weights."""


def tokenizer() -> Any:
    """Train a byte-level BPE on a few lines."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(["one two three four five", "what is seven and nine", "user: assistant: system:"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.chat_template = TEMPLATE
    return fast


def write_model(name: str, folder: Path) -> Path:
    """Write a tiny model of one family, and give its folder."""
    import torch
    import transformers

    torch.set_num_threads(1)  # tiny models are faster so, above all when tests run side by side
    fast = tokenizer()
    config_class, more = {**FAMILIES, **ENCODERS}[name]
    config = getattr(transformers, config_class)(**{**SMALL, "vocab_size": len(fast), **more})
    torch.manual_seed(0)
    kind = transformers.AutoModelForMaskedLM if name in ENCODERS else transformers.AutoModelForCausalLM
    kind.from_config(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
