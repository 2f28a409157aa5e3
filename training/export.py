"""Writes the trained weights as one GGUF file (Q8_0 matrices, F32 norms) and its figures beside it.

python export.py --from build --to ../models/demo.gguf
"""

import argparse
import hashlib
import importlib.metadata
import json
from pathlib import Path

import gguf
import numpy as np

import tokenizer as bpe
from tokenizer import Tokenizer

DESCRIPTION = (
    "A very small language model of one made-up harbour, trained from nothing on text that its own generator wrote. "
    "It shows that the machinery runs; it knows nothing of the world."
)
Q8_0 = gguf.GGMLQuantizationType.Q8_0


def write(source: Path, target: Path) -> None:
    figures = json.loads((source / "figures.json").read_text())
    shape, tokenizer = figures["shape"], Tokenizer.load(source / "tokenizer.json")
    writer = gguf.GGUFWriter(str(target), "llama")
    writer.add_name("Beacon of Cloudhaven (demo)")
    writer.add_description(DESCRIPTION)
    writer.add_license("Apache-2.0")
    writer.add_version(figures["generator"])
    writer.add_languages(["en"])
    writer.add_string("demo.generator.version", figures["generator"])
    writer.add_string("demo.weights.sha256", figures["weights_sha256"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape["vocabulary"])
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["hidden"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_rope_dimension_count(shape["width"] // shape["heads"])
    writer.add_rope_freq_base(shape["rope_base"])
    writer.add_layer_norm_rms_eps(shape["norm_eps"])
    _vocabulary(writer, tokenizer)
    with np.load(source / "weights.npz") as weights:
        for name in sorted(weights.files):
            _tensor(writer, name, weights[name])
    target.parent.mkdir(parents=True, exist_ok=True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    content = target.read_bytes()
    figures["tools"]["gguf"] = importlib.metadata.version("gguf")
    figures |= {"file_bytes": len(content), "file_sha256": hashlib.sha256(content).hexdigest()}
    target.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{target.name}: {len(content):,} bytes, sha256 {figures['file_sha256']}")


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if t in bpe.CONTROL else gguf.TokenType.NORMAL for t in tokenizer.tokens]
    )
    writer.add_token_merges([f"{a} {b}" for a, b in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.ids[bpe.BEGIN_OF_TEXT])
    writer.add_eos_token_id(tokenizer.ids[bpe.IM_END])
    writer.add_eot_token_id(tokenizer.ids[bpe.IM_END])
    writer.add_eom_token_id(tokenizer.ids[bpe.END_OF_TEXT])
    writer.add_pad_token_id(tokenizer.ids[bpe.PAD])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(bpe.CHAT_TEMPLATE)


def _tensor(writer: gguf.GGUFWriter, name: str, value: np.ndarray) -> None:
    value = value.astype(np.float32)
    if value.ndim == 1:
        writer.add_tensor(f"{name}.weight", value)
    else:
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(value, Q8_0), raw_dtype=Q8_0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--to", dest="target", type=Path, required=True)
    args = parser.parse_args()
    write(args.source, args.target)


if __name__ == "__main__":
    main()
