#!/usr/bin/env python3
"""PyTorch as a benchmark peer: a process that lives through the benchmark and runs cases on request.

    /usr/bin/python3 bench/peers/torch_peer.py [--threads 2] [--vocabulary 83] [--keep-environment]

One JSON object a line on standard input, one in answer on standard output:

    {"cmd": "check"}                                          versions, threads, the BLAS in use, and whether it is fair
    {"cmd": "list"}                                           {"cases": [names]}
    {"cmd": "run", "name": "matmul-1024", "iterations": 5}    {"name", "ms": [one time per iteration], ...facts}
    {"cmd": "drop", "name": "gpt-162m"}                       frees a case's memory
    {"cmd": "quit"}

The first run of a case builds it and makes two untimed iterations. Facts: `flops` per iteration where they are counted,
`tokens` per iteration, and peak memory in bytes for cases that report it (run those in a process of their own). An error answers
{"error": message} and the process goes on. `check` says `"fair": false` when OpenBLAS runs on its own threads
(libopenblas0-pthread): they fight PyTorch's OpenMP threads and make small steps three times slower, so do not compare then.
"""

import argparse
import json
import sys
import time

import torch_environment as environment

import torch
import torch.nn.functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

import torch_families as families
import torch_gpt as gpt
import torch_translate as translate

CONV_SHAPES = [(16, 32, 32, 32, 32), (16, 64, 32, 32, 64), (16, 128, 16, 16, 128), (8, 256, 8, 8, 256), (64, 1, 28, 28, 32)]

NANOGPT = dict(layers=4, heads=4, width=128, context=64, tied=True)
GPT_256 = dict(layers=6, heads=8, width=256, context=128, tied=True)
GPT_162M = dict(layers=12, heads=12, width=768, context=128, tied=False, vocabulary=50257)


def matmul(size):
    a, b = torch.randn(size, size), torch.randn(size, size)
    return (lambda: torch.mm(a, b)), dict(flops=2 * size ** 3)


def conv(kind, B, C, H, W, K):
    """3x3, padding 1, no bias: the forward pass, or its gradient with respect to the input or the weights."""
    x, w, y = torch.randn(B, C, H, W), torch.randn(K, C, 3, 3), torch.randn(B, K, H, W)
    run = {
        "forward": lambda: F.conv2d(x, w, padding=1),
        "dx": lambda: conv2d_input(x.shape, w, y, padding=1),
        "dw": lambda: conv2d_weight(x, w.shape, y, padding=1),
    }[kind]
    return run, dict(flops=2 * 9 * B * H * W * C * K)


def training_step(config, batch, foreach=True, memory=False):
    if memory:
        environment.reset_peak_memory()
    torch.manual_seed(1)
    model = gpt.GPT(config)
    optimizer = gpt.make_optimizer(model, lr=1e-3, foreach=foreach)
    tokens, targets = (torch.randint(config["vocabulary"], (batch, config["context"])) for _ in range(2))
    facts = dict(parameters=sum(p.numel() for p in model.parameters()), tokens=batch * config["context"])
    report = environment.peak_memory if memory else dict
    return (lambda: gpt.train_step(model, optimizer, tokens, targets)), lambda: dict(facts, **report())


def generation(config, generate, count=1000):
    torch.manual_seed(1)
    model = gpt.GPT(config).eval()
    start = torch.zeros(1, 1, dtype=torch.long)
    return (lambda: generate(model, start, count)), dict(tokens=count)


def family_step(name, vocabulary):
    """A training step in the memory layout and with the optimizer's loop that are fastest here."""
    images = families.PRESETS[name].get("images")
    ways = [(last, each) for last in ((False, True) if images else (False,)) for each in (True, False)]
    batch = families.PRESETS[name]["batch"](vocabulary)
    best = None
    for channels_last, foreach in ways:
        model, step = families.make_step(name, vocabulary, channels_last, foreach)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            loss = step(batch)
            times.append(time.perf_counter() - start)
        if best is None or min(times) < best[0]:
            best = min(times), model, step, dict(channelsLast=channels_last, foreach=foreach)
    _, model, step, way = best
    facts = dict(parameters=sum(p.numel() for p in model.parameters()), way=way)
    return (lambda: step(batch)), facts


def family_memory(name, vocabulary):
    """The same in its leanest way: PyTorch's own layout, one tensor of the optimizer after another."""
    environment.reset_peak_memory()
    model, step = families.make_step(name, vocabulary, foreach=False)
    batch = families.PRESETS[name]["batch"](vocabulary)
    return (lambda: step(batch)), lambda: dict(parameters=sum(p.numel() for p in model.parameters()), **environment.peak_memory())


def fastest_pass(module, *inputs):
    """A forward pass in the faster of both memory layouts."""
    module.eval()

    def within(layout):
        module.to(memory_format=layout)
        return [x.to(memory_format=layout) if x.dim() == 4 else x for x in inputs]

    def duration(given):
        start = time.perf_counter()
        with torch.inference_mode():
            module(*given)
        return time.perf_counter() - start

    fastest = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        given = within(layout)
        fastest[layout] = min(duration(given) for _ in range(5))
    given = within(min(fastest, key=fastest.get))
    return torch.inference_mode()(lambda: module(*given)), dict(tokens=len(inputs[0]))


def characters(vocabulary, count):
    model = families.Recurrent("LSTM", vocabulary).eval()
    return (lambda: model.generate(torch.zeros(1, 1, dtype=torch.long), count)), dict(tokens=count)


def sound(count):
    model = families.WaveNet().eval()
    return (lambda: model.generate(count)), dict(tokens=count)


def translation_step():
    ways, tokens = translate.step()

    def duration(run):
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    model, run = min(ways, key=lambda way: min(duration(way[1]) for _ in range(5)))
    return run, dict(parameters=sum(p.numel() for p in model.parameters()), tokens=tokens)


def translation():
    run, tokens = translate.beam()
    return run, dict(tokens=tokens)


def list_cases(vocabulary):
    small, medium = dict(NANOGPT, vocabulary=vocabulary), dict(GPT_256, vocabulary=vocabulary)
    cases = {
        "matmul-1024": lambda: matmul(1024),
        "matmul-2048": lambda: matmul(2048),
        "nanogpt-cpu": lambda: training_step(small, 12),
        "gpt-256": lambda: training_step(medium, 16),
        "gpt-162m": lambda: training_step(GPT_162M, 1, foreach=False, memory=True),
        "gpt-162m-foreach": lambda: training_step(GPT_162M, 1, foreach=True, memory=True),
        "generate-1000": lambda: generation(small, gpt.generate),
        "generate-1000-cached": lambda: generation(small, gpt.generate_cached),
    }
    for name in families.PRESETS:
        cases[name] = lambda name=name: family_step(name, vocabulary)
        cases[f"{name}-memory"] = lambda name=name: family_memory(name, vocabulary)
    cases["translate-step"] = translation_step
    cases["translate-beam-4"] = translation
    cases["lstm-10000"] = lambda: characters(vocabulary, 10_000)
    cases["wavenet-8000"] = lambda: sound(8000)
    cases["pixelcnn-forward"] = lambda: fastest_pass(families.PixelCnn(), families.pictures(16, 28))
    cases["ddpm-forward"] = lambda: fastest_pass(families.Diffusion(), families.pictures(16, 32), torch.full((16,), 500.))
    for shape in CONV_SHAPES:
        for kind in ("forward", "dx", "dw"):
            cases[f"conv3x3-{kind}-{'x'.join(map(str, shape))}"] = lambda kind=kind, shape=shape: conv(kind, *shape)
    return cases


class Peer:
    def __init__(self, vocabulary):
        self.cases, self.built = list_cases(vocabulary), {}

    def check(self, _):
        return environment.describe()

    def list(self, _):
        return dict(cases=list(self.cases))

    def run(self, request):
        name, iterations = request["name"], request.get("iterations", 1)
        if name not in self.cases:
            raise ValueError(f"unknown case {name!r}; expected one of {list(self.cases)}")
        if name not in self.built:
            self.built[name] = self.cases[name]()
            warmup = dict(generate=1, lstm=1, wavenet=0).get(name.split("-")[0], 2)
            for _ in range(warmup):
                self.built[name][0]()
        run, facts = self.built[name]
        times = []
        for _ in range(iterations):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        return dict(name=name, ms=times, **(facts() if callable(facts) else facts))

    def drop(self, request):
        self.built.pop(request["name"], None)
        return dict(dropped=request["name"])


def main():
    parser = argparse.ArgumentParser(description="PyTorch as a benchmark peer (see the header of this file).")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=83, help="of the small models; 83 is Moby Dick's characters")
    parser.add_argument("--keep-environment", action="store_true", help="leave variables that choose OpenBLAS's kernels")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    peer = Peer(options.vocabulary)
    commands = {"check": peer.check, "list": peer.list, "run": peer.run, "drop": peer.drop}
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            command = request.get("cmd")
            if command == "quit":
                break
            if command not in commands:
                raise ValueError(f"unknown command {command!r}; expected one of {[*commands, 'quit']}")
            answer = commands[command](request)
        except Exception as error:  # the benchmark decides what a failed case means
            answer = dict(error=f"{type(error).__name__}: {error}")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
