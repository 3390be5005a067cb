#!/usr/bin/env python3
"""Trains the `nanogpt-cpu` preset on a text with PyTorch: the reference for Heptagen's validation loss.

    /usr/bin/python3 bench/peers/torch_train.py assets/moby-dick.txt --seed 1

Characters sorted by code point are the vocabulary; the first 90 % of the text trains, the rest validates. Each of the
2,000 steps takes 12 random windows of 64 characters. Standard output is JSON lines: the mean training loss of every hundred
steps, then one line with the final losses and the configuration. The validation loss is the mean cross-entropy in nats per
character over the whole validation split, cut into consecutive windows of 64 (an incomplete last one is left out).
"""

import argparse
import json
import math

import torch_environment as environment

import torch

import torch_gpt as gpt

CONFIG = dict(layers=4, heads=4, width=128, context=64, tied=True)
BATCH, WARMUP, PEAK, FINAL = 12, 100, 1e-3, 1e-4


def learning_rate(step, steps):
    """Linear warm-up over WARMUP steps, then half a cosine from PEAK to FINAL."""
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return FINAL + 0.5 * (PEAK - FINAL) * (1 + math.cos(math.pi * (step - WARMUP) / (steps - WARMUP)))


def windows(ids, starts, context):
    rows = ids[starts[:, None] + torch.arange(context + 1)]                        # [B, T + 1]
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


@torch.no_grad()
def validation_loss(model, ids, context, batch=128):
    starts = torch.arange((len(ids) - 1) // context) * context
    total = sum(model.loss(*windows(ids, chunk, context)).item() * len(chunk) for chunk in starts.split(batch))
    return total / len(starts)


def train(text, seed, steps):
    vocabulary = sorted(set(text))
    index = {character: i for i, character in enumerate(vocabulary)}
    ids = torch.tensor([index[character] for character in text])
    cut = int(0.9 * len(ids))
    training, validation = ids[:cut], ids[cut:]

    torch.manual_seed(seed)
    config = dict(CONFIG, vocabulary=len(vocabulary))
    context = config["context"]
    model = gpt.GPT(config)
    optimizer = gpt.make_optimizer(model, PEAK, foreach=True)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        starts = torch.randint(len(training) - context, (BATCH,))
        losses.append(gpt.train_step(model, optimizer, *windows(training, starts, context)).item())
        if (step + 1) % 100 == 0:
            yield dict(seed=seed, step=step + 1, trainLoss=sum(losses[-100:]) / len(losses[-100:]))
    yield dict(
        peer="pytorch", version=torch.__version__, preset="nanogpt-cpu", seed=seed, steps=steps,
        trainLoss=sum(losses[-100:]) / len(losses[-100:]), validationLoss=validation_loss(model, validation, context),
        validationWindows=(len(validation) - 1) // context, characters=len(text), vocabulary=len(vocabulary),
        parameters=sum(p.numel() for p in model.parameters()), batch=BATCH, lr=PEAK, finalLr=FINAL, warmup=WARMUP,
        weightDecay=0.1, betas=[0.9, 0.99], clip=1.0, threads=torch.get_num_threads(),
        blas=environment.describe()["blas"]["core"])


def main():
    parser = argparse.ArgumentParser(description="Trains the nanogpt-cpu preset with PyTorch (see the header of this file).")
    parser.add_argument("text", help="UTF-8 text file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with open(options.text, encoding="utf-8", newline="") as file:
        text = file.read()
    for row in train(text, options.seed, options.steps):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
