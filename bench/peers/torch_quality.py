#!/usr/bin/env python3
"""Trains a preset of another family with PyTorch and measures it on held-out data: the reference for Heptagen's own figure.

    /usr/bin/python3 bench/peers/torch_quality.py fashion-vae --data ~/.cache/heptagen/data/fashion-mnist --steps 938 --seed 1

`--data` is a text (moby-*), a folder that holds the IDX files of Fashion-MNIST (fashion-*), or what bench/quality.ts writes
(fashion-gan: scaled pictures; speech-wavenet: a folder of clips and held-out windows as mu-law values). The last line of standard output is a JSON object with the
held-out `measure`. What is measured is what `heptagen eval` measures: nats per character over consecutive windows of the last
tenth of the text; nats per picture (VAE: upper bound with one draw; PixelCNN: exact) or the mean squared error of the noise
(diffusion) over the first `--pictures` of the test set; nats per sample of the held-out windows.
"""

import argparse
import gzip
import json
import os
import time

import torch_environment as environment

import numpy
import torch
import torch.nn.functional as F

import torch_families as families


def idx(folder, name):
    """Pictures of an IDX file: float32 [N, 1, H, W] from 0 to 1."""
    found = [os.path.join(where, name) for where, _, files in os.walk(folder) if name in files]
    if not found:
        raise SystemExit(f"{folder}: expected {name} inside, found none; fetch it with: heptagen data get fashion-mnist")
    with gzip.open(found[0]) as file:
        data = file.read()
    count, height, width = (int.from_bytes(data[i:i + 4], "big") for i in (4, 8, 12))
    pixels = numpy.frombuffer(data, numpy.uint8, offset=16).reshape(count, 1, height, width)
    return torch.from_numpy(pixels.copy()).float() / 255


def epochs(count, batch):
    """Places of batches without end, each place once per epoch."""
    left = torch.empty(0, dtype=torch.long)
    while True:
        if len(left) < batch:
            left = torch.cat([left, torch.randperm(count)])
        yield left[:batch]
        left = left[batch:]


class Text:
    def __init__(self, path, _):
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        symbols = sorted(set(text))
        index = {symbol: i for i, symbol in enumerate(symbols)}
        ids = torch.tensor([index[symbol] for symbol in text])
        cut = int(0.9 * len(ids))
        self.vocabulary, self.training, self.heldout = len(symbols), ids[:cut], ids[cut:]

    def windows(self, ids, starts, length=64):
        rows = ids[starts[:, None] + torch.arange(length + 1)]
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def batches(self, batch=32):
        while True:
            yield self.windows(self.training, torch.randint(len(self.training) - 64, (batch,)))

    def measure(self, model):
        starts = torch.arange((len(self.heldout) - 1) // 64) * 64
        parts = starts.split(128)
        total = sum(model.loss(self.windows(self.heldout, part)).item() * len(part) for part in parts)
        return total / len(starts), "nats per character"


class Pictures:
    vocabulary = None

    def __init__(self, path, limit):
        self.training, self.heldout = idx(path, "train-images-idx3-ubyte.gz"), idx(path, "t10k-images-idx3-ubyte.gz")[:limit]

    def prepare(self, images):
        return (images > 0.5).float()

    def batches(self, batch):
        return (self.prepare(self.training[places]) for places in epochs(len(self.training), batch))

    def measure(self, model):
        total = sum(model.loss(self.prepare(part)).item() * len(part) for part in self.heldout.split(100))
        return total / len(self.heldout), "nats per picture"


class CanvasPictures(Pictures):
    """28 x 28 in the middle of a black canvas of 32 x 32, from -1 to 1."""

    def prepare(self, images):
        return F.pad(images * 2 - 1, (2, 2, 2, 2), value=-1.)

    def measure(self, model):
        return super().measure(model)[0], "squared error of the noise"


class ScaledPictures:
    """28 x 28 scaled to 32 x 32 by Heptagen, 8 bits a pixel; models see them from -1 to 1. What is made is measured elsewhere."""

    vocabulary = None

    def __init__(self, path, count):
        self.training = torch.from_numpy(numpy.fromfile(path, numpy.uint8)).view(-1, 1, 32, 32)
        self.count = count

    def batches(self, batch):
        return (self.training[places].float() / 127.5 - 1 for places in epochs(len(self.training), batch))

    def measure(self, model):
        made = torch.cat([model.generator(model.noise(100)) for _ in range(self.count // 100)])
        self.made = ((made + 1) * 127.5).round().clamp(0, 255).byte().numpy()
        return None, "pictures in --samples"


class Sound:
    vocabulary = None

    def __init__(self, path, _):
        def read(name, kind):
            return torch.from_numpy(numpy.fromfile(os.path.join(path, name), kind).astype(numpy.int64 if kind == "<i4" else kind))

        with open(os.path.join(path, "facts.json")) as file:
            facts = json.load(file)
        self.window, self.silence = facts["window"], facts["silence"]
        self.clips = read("clips.i32", "<i4").split(facts["lengths"])
        self.heldout = [read(f"{name}.{kind}", form).view(-1, self.window)
                        for name, kind, form in (("samples", "i32", "<i4"), ("targets", "i32", "<i4"), ("counted", "f32", "<f4"))]

    def cut(self, place, lead):
        for clip in self.clips:
            room = max(1, len(clip) - self.window + 1) + lead
            if place < room:
                break
            place -= room
        start = max(0, place - lead)
        targets = clip[start:start + self.window]
        before = clip[start - 1:start] if start > 0 else torch.tensor([self.silence])
        samples = torch.cat([before, targets[:-1]])
        missing = self.window - len(targets)
        counted = F.pad(torch.ones(len(targets)), (0, missing))
        return F.pad(samples, (0, missing), value=self.silence), F.pad(targets, (0, missing), value=self.silence), counted

    def batches(self, batch):
        """Every part of the sound equally often, beginnings a little more, as Heptagen draws them."""
        lead = self.window // 2
        total = sum(max(1, len(clip) - self.window + 1) + lead for clip in self.clips)
        while True:
            rows = [self.cut(place, lead) for place in torch.randint(total, (batch,)).tolist()]
            yield tuple(torch.stack(parts) for parts in zip(*rows))

    def measure(self, model):
        samples, targets, counted = self.heldout
        total = 0.
        for part in zip(samples.split(4), targets.split(4), counted.split(4)):
            if part[2].sum() > 0:
                total += model.loss(part).item() * part[2].sum().item()
        return total / counted.sum().item(), "nats per sample"


DATA = {"moby-rnn": Text, "moby-gru": Text, "moby-lstm": Text, "fashion-vae": Pictures, "fashion-pixelcnn": Pictures,
        "fashion-gan": ScaledPictures, "fashion-ddpm": CanvasPictures, "speech-wavenet": Sound}
BATCH = {"fashion-vae": 128, "fashion-pixelcnn": 64, "fashion-gan": 64, "fashion-ddpm": 64, "speech-wavenet": 4}


def main():
    parser = argparse.ArgumentParser(description="Trains a preset with PyTorch and measures it (see the header of this file).")
    parser.add_argument("preset", choices=list(DATA))
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--samples", help="file for the pictures that fashion-gan makes, 8 bits a pixel")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = DATA[options.preset](options.data, options.pictures)
    convolutions = options.preset in ("fashion-pixelcnn", "fashion-gan", "fashion-ddpm")
    model, step = families.make_step(options.preset, data.vocabulary, channels_last=convolutions, seed=options.seed)
    batches = data.batches(BATCH[options.preset]) if options.preset in BATCH else data.batches()
    start, recent = time.perf_counter(), []
    for _ in range(options.steps):
        recent = [*recent[-99:], step(next(batches)).item()]
    seconds = time.perf_counter() - start
    model.eval()
    with torch.no_grad():
        torch.manual_seed(1)
        measure, unit = data.measure(model)
    if options.samples and hasattr(data, "made"):
        data.made.tofile(options.samples)
    print(json.dumps(dict(
        peer="pytorch", version=torch.__version__, preset=options.preset, seed=options.seed, steps=options.steps, measure=measure,
        unit=unit, trainLoss=sum(recent) / len(recent), seconds=seconds, parameters=sum(p.numel() for p in model.parameters()),
        threads=options.threads, blas=environment.describe()["blas"]["core"])))


if __name__ == "__main__":
    main()
