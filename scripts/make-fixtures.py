#!/usr/bin/env python3
"""Writes the golden fixtures under test/golden/fixtures from PyTorch.

The fixtures are committed, so the test suite needs no Python. Run this only to change them:

    apt-get install python3-torch libopenblas0-openmp     # Debian 12 ships PyTorch 1.13
    apt-get install python3-scipy python3-sklearn         # for the parts "metrics", "classification" and "baselines"
    apt-get install python3-nltk                          # for the part "classification"
    /usr/bin/python3 scripts/make-fixtures.py             # everything, about a minute
    /usr/bin/python3 scripts/make-fixtures.py ops gpt2    # only these parts

Every part seeds its own generator and runs on one thread, so a second run writes the same bytes.

Accuracy: parameters and inputs are rounded to float32 once, everything after that is computed in float64 and
rounded to float32 when written. A fixture is therefore the true answer, not one library's rounding of it. Parts also
run in float32 and record how far PyTorch itself lands from the truth ("float32Gap"): a guide for tolerances.
"""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
sys.dont_write_bytecode = True

import torch

from fixtures import (
    baselines,
    classification,
    conversation,
    ctc,
    forecaster,
    gan,
    gpt2,
    mel,
    metrics,
    ops,
    optimizers,
    pixelcnn,
    recurrent,
    retrieve_answer,
    sequence_networks,
    sequence_to_sequence,
    sequence_tagger,
    speech_recognizer,
    transformer,
    unet,
    vae,
    wavenet,
)

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "golden", "fixtures")
PARTS = {
    "baselines": baselines.write,
    "classification": classification.write,
    "conversation": conversation.write,
    "ctc": ctc.write,
    "forecaster": forecaster.write,
    "gan": gan.write,
    "gpt2": gpt2.write,
    "mel": mel.write,
    "metrics": metrics.write,
    "ops": ops.write,
    "optimizers": optimizers.write,
    "pixelcnn": pixelcnn.write,
    "recurrent": recurrent.write,
    "retrieve_answer": retrieve_answer.write,
    "sequence_networks": sequence_networks.write,
    "sequence_to_sequence": sequence_to_sequence.write,
    "sequence_tagger": sequence_tagger.write,
    "speech_recognizer": speech_recognizer.write,
    "transformer": transformer.write,
    "unet": unet.write,
    "vae": vae.write,
    "wavenet": wavenet.write,
}


def main(names):
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"make-fixtures: expected parts among {list(PARTS)}, got {unknown}")
    torch.set_num_threads(1)
    folder = os.path.normpath(FOLDER)
    os.makedirs(folder, exist_ok=True)
    for name in names or PARTS:
        PARTS[name](folder)
    size = sum(os.path.getsize(os.path.join(root, file)) for root, _, files in os.walk(folder) for file in files)
    print(f"{folder}: {size / 1e6:.2f} MB, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main(sys.argv[1:])
