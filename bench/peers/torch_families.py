"""The other families in PyTorch, as its users write them: the presets of the benchmark.

Each family is a module with `loss(batch)` or, where two players train, `train_step(batch)`. Legend: B batch, T time, C channels,
H height, W width, Z latents, V vocabulary.
"""

import math
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from fixtures import unet
from torch_gpt import Block


class Recurrent(nn.Module):
    """Characters in, scores of the next one out: `kind` is RNN, GRU or LSTM."""

    def __init__(self, kind, vocabulary, embedding=128, hidden=256, layers=2):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, embedding)
        self.recurrent = getattr(nn, kind)(embedding, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens, state=None):
        """[B, T] -> [B, T, V] and the last state."""
        hidden, state = self.recurrent(self.tokens(tokens), state)
        return self.head(hidden), state

    def loss(self, batch):
        tokens, targets = batch
        logits, _ = self(tokens)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    @torch.inference_mode()
    def generate(self, token, count):
        """One token after another, with the state carried."""
        out, state = [], None
        for _ in range(count):
            logits, state = self(token, state)
            token = torch.multinomial(logits[:, -1].softmax(-1), 1)
            out.append(token)
        return torch.cat(out, 1)


class Forecaster(nn.Module):
    """Lagged values and features in, Student's t out, as in GluonTS' DeepAR; the Transformer is made of the GPT's blocks."""
    LAGS, FEATURES, SERIES, LENGTH = (1, 7, 14, 28), 26, 20, 70

    def __init__(self, kind, width=64, layers=2, dropout=0.1):
        super().__init__()
        self.lags = nn.Linear(2 * len(self.LAGS), width, bias=False)
        self.features = nn.Linear(self.FEATURES, width)
        self.series = nn.Embedding(self.SERIES, width)
        self.drop = nn.Dropout(dropout)
        if kind == "LSTM":
            self.recurrent = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout)
        else:
            self.blocks = nn.ModuleList(Block(dict(width=width, heads=4)) for _ in range(layers))
            self.positions = nn.Parameter(torch.randn(self.LENGTH, width) * 0.02)
            self.register_buffer("mask", torch.full((self.LENGTH, self.LENGTH), -math.inf).triu(1))
        self.kind = kind
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        if self.kind == "LSTM":
            return self.recurrent(self.drop(x))[0]
        x = self.drop(x + self.positions)
        for block in self.blocks:
            x = block(x, self.mask, drop=self.drop)
        return F.layer_norm(x, x.shape[-1:])

    def loss(self, batch):
        values, observed, features, series = batch
        longest = self.LAGS[-1]
        at = lambda x, lag: x[:, longest - lag:longest - lag + self.LENGTH]
        lagged = torch.stack([at(x, lag) for x in (values, observed) for lag in self.LAGS], 2)
        x = self.lags(lagged) + self.features(features) + self.series(series)[:, None]
        mean, scale, degrees = self.head(self.forward(x)).unbind(-1)
        student = torch.distributions.StudentT(2 + F.softplus(degrees), mean, F.softplus(scale) + 1e-3, validate_args=False)
        counts = observed[:, longest:]
        return -(student.log_prob(values[:, longest:]) * counts).sum() / counts.sum()

    @classmethod
    def windows(cls, batch=64):
        shape = (batch, cls.LENGTH + cls.LAGS[-1])
        return (torch.randn(shape), torch.ones(shape), torch.randn(batch, cls.LENGTH, cls.FEATURES),
                torch.randint(cls.SERIES, (batch,)))


class Recognizer(nn.Module):
    """Log-mel features in, CTC loss of what is said out: two strided convolutions of 32 channels, a bidirectional LSTM or a Transformer."""

    BANDS, VOCABULARY, FRAMES, LETTERS = 64, 27, 64, 5

    def __init__(self, kind):
        super().__init__()
        width, dropout = (256, 0.2) if kind == "LSTM" else (128, 0.1)
        self.kind = kind
        self.first = nn.Conv2d(1, 32, 3, stride=2, padding=1)
        self.second = nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.bands = nn.Linear(32 * self.BANDS // 4, width)
        self.drop = nn.Dropout(dropout)
        if kind == "LSTM":
            self.encoder = nn.LSTM(width, width // 2, 2, bidirectional=True, batch_first=True, dropout=dropout)
        else:
            layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(width))
            self.positions = nn.Parameter(torch.randn(self.FRAMES // 4, width) * 0.02)
        self.output = nn.Linear(width, self.VOCABULARY)

    @staticmethod
    def hide(x, axis, count, longest):
        """SpecAugment: `count` stretches of an axis, each from 0 to `longest` long, are 0."""
        size, place = x.shape[axis], torch.arange(x.shape[axis])
        for _ in range(count):
            length = (torch.rand(len(x), 1) * (longest + 1)).floor()
            start = (torch.rand(len(x), 1) * (size - length + 1)).floor()
            hit = (place >= start) & (place < start + length)
            x = x.masked_fill(hit[:, None, :] if axis == 2 else hit[:, :, None], 0)
        return x

    def warp(self, x, most=0.1):
        """Bands stretched by up to this part."""
        place = torch.arange(self.BANDS)
        origin = (place * (1 + (torch.rand(len(x), 1) * 2 - 1) * most)).clamp(max=self.BANDS - 1)
        return x @ (1 - (place[:, None] - origin[:, None]).abs()).clamp(min=0)

    def loss(self, batch):
        features, frames, labels, letters = batch
        x = self.hide(self.hide(self.warp(features), 2, 2, 10), 1, 2, 9)
        x = F.relu(self.second(F.relu(self.first(x[:, None]))))
        x = self.bands(x.transpose(1, 2).flatten(2))
        lengths = (frames + 3) // 4
        if self.kind == "LSTM":
            packed = nn.utils.rnn.pack_padded_sequence(self.drop(x), lengths, batch_first=True, enforce_sorted=False)
            x, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        else:
            beyond = torch.arange(x.shape[1])[None] >= lengths[:, None]
            x = self.encoder(self.drop(x + self.positions), src_key_padding_mask=beyond)
        return F.ctc_loss(self.output(x).log_softmax(2).transpose(0, 1), labels, lengths, letters)

    @classmethod
    def words(cls, batch=32):
        return (torch.randn(batch, cls.FRAMES, cls.BANDS), torch.full((batch,), cls.FRAMES),
                1 + torch.arange(batch * cls.LETTERS).mul(7).remainder(26).view(batch, cls.LETTERS), torch.full((batch,), cls.LETTERS))


class Vae(nn.Module):
    """Convolutions down to 7 x 7 and back; binary pixels."""

    def __init__(self, latents=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
                                     nn.Flatten(), nn.Linear(64 * 7 * 7, 2 * latents))
        self.decoder = nn.Sequential(nn.Linear(latents, 64 * 7 * 7), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
                                     nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1))

    def bound(self, images):
        """The evidence lower bound of each picture with one draw, in nats, as its two parts: both [B]."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        logits = self.decoder(z)
        pixels = F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return pixels, divergence

    def loss(self, images):
        pixels, divergence = self.bound(images)
        return (pixels + divergence).mean()


class MaskedConv(nn.Conv2d):
    """Sees only what comes before a pixel, row by row; type B sees the pixel too."""

    def __init__(self, kind, *args, **kwargs):
        super().__init__(*args, **kwargs)
        height, width = self.kernel_size
        mask = torch.ones_like(self.weight)
        mask[:, :, height // 2, width // 2 + (kind == "B"):] = 0
        mask[:, :, height // 2 + 1:] = 0
        self.register_buffer("mask", mask)

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class PixelBlock(nn.Module):
    def __init__(self, channels=64, inner=32):
        super().__init__()
        self.down = nn.Conv2d(channels, inner, 1)
        self.masked = MaskedConv("B", inner, inner, 3, padding=1)
        self.up = nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        return x + self.up(F.relu(self.masked(F.relu(self.down(F.relu(x))))))


class PixelCnn(nn.Module):
    """Binary pixels, each given those before it."""

    def __init__(self, channels=64, inner=32, blocks=5):
        super().__init__()
        self.first = MaskedConv("A", 1, channels, 7, padding=3)
        self.blocks = nn.Sequential(*(PixelBlock(channels, inner) for _ in range(blocks)))
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1))

    def forward(self, images):
        return self.last(self.blocks(self.first(images)))

    def loss(self, images):
        """Nats per picture."""
        return F.binary_cross_entropy_with_logits(self(images), images, reduction="sum") / len(images)

    @torch.inference_mode()
    def generate(self, count, pixels=28 * 28, side=28):
        """A whole forward pass for every pixel (the first `pixels` of them)."""
        images = torch.zeros(count, 1, side, side)
        for i in range(pixels):
            row, column = divmod(i, side)
            images[:, 0, row, column] = torch.bernoulli(self(images)[:, 0, row, column].sigmoid())
        return images


def dcgan_weights(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)
        nn.init.zeros_(module.bias)


class Gan(nn.Module):
    """DCGAN for 32 x 32: 256, 128 and 64 channels."""

    def __init__(self, latents=100):
        super().__init__()
        self.latents = latents

        def up(inputs, outputs, *geometry):
            return [nn.ConvTranspose2d(inputs, outputs, 4, *geometry, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)]

        def down(inputs, outputs):
            return [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, True)]

        self.generator = nn.Sequential(*up(latents, 256, 1, 0), *up(256, 128, 2, 1), *up(128, 64, 2, 1),
                                       nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh())
        self.discriminator = nn.Sequential(nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True), *down(64, 128),
                                           *down(128, 256), nn.Conv2d(256, 1, 4, 1, 0, bias=False), nn.Flatten(0))
        self.apply(dcgan_weights)

    def noise(self, count):
        return torch.randn(count, self.latents, 1, 1)

    def train_step(self, optimizers, images):
        """One step of each player, as in PyTorch's own example. `images` from -1 to 1."""
        for_generator, for_discriminator = optimizers
        bce = F.binary_cross_entropy_with_logits
        fake = self.generator(self.noise(len(images)))
        for_discriminator.zero_grad(set_to_none=True)
        real_score, fake_score = self.discriminator(images), self.discriminator(fake.detach())
        loss = bce(real_score, torch.ones_like(real_score)) + bce(fake_score, torch.zeros_like(fake_score))
        loss.backward()
        for_discriminator.step()
        for_generator.zero_grad(set_to_none=True)
        self.discriminator.requires_grad_(False)                                  # its gradients would be thrown away
        score = self.discriminator(fake)
        bce(score, torch.ones_like(score)).backward()
        self.discriminator.requires_grad_(True)
        for_generator.step()
        return loss


class WaveNet(nn.Module):
    """mu-law values in, scores of the next one out."""

    def __init__(self, levels=256, stacks=2, depth=10, residual=32, skip=128):
        super().__init__()
        self.dilations = [2 ** i for _ in range(stacks) for i in range(depth)]
        self.input = nn.Embedding(levels, residual)
        self.dilated = nn.ModuleList(nn.Conv1d(residual, 2 * residual, 2, dilation=d) for d in self.dilations)
        self.residual = nn.ModuleList(nn.Conv1d(residual, residual, 1) for _ in self.dilations[1:])
        self.skip = nn.Conv1d(len(self.dilations) * residual, skip, 1)
        self.hidden, self.out = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, levels, 1)

    def forward(self, samples):
        """[B, T] -> [B, V, T]"""
        x = self.input(samples).transpose(1, 2)
        results = []
        for i, (dilated, dilation) in enumerate(zip(self.dilated, self.dilations)):
            features, gate = dilated(F.pad(x, (dilation, 0))).chunk(2, dim=1)
            results.append(torch.tanh(features) * torch.sigmoid(gate))
            if i < len(self.residual):
                x = x + self.residual[i](results[-1])
        return self.out(F.relu(self.hidden(F.relu(self.skip(torch.cat(results, dim=1))))))

    def loss(self, batch):
        samples, targets, *counted = batch
        losses = F.cross_entropy(self(samples), targets, reduction="none")
        return (losses * counted[0]).sum() / counted[0].sum() if counted else losses.mean()

    @torch.inference_mode()
    def generate(self, count, silence=128):
        """One sample after another; each block keeps a queue of what it will read again."""
        queues = [torch.zeros(d, w.in_channels) for d, w in zip(self.dilations, self.dilated)]
        taps = [(c.weight[:, :, 0].t().contiguous(), c.weight[:, :, 1].t().contiguous(), c.bias) for c in self.dilated]
        maps = [(c.weight[:, :, 0].t().contiguous(), c.bias) for c in [*self.residual, self.skip, self.hidden, self.out]]
        (skip, skip_bias), (hidden, hidden_bias), (out, out_bias) = maps[-3:]
        token, samples = torch.tensor([silence]), []
        for t in range(count):
            x, results = self.input(token), []                                    # [1, R]
            for i, (past, now, bias) in enumerate(taps):
                place = t % self.dilations[i]
                sums = torch.addmm(bias, queues[i][place:place + 1], past).addmm_(x, now)
                queues[i][place] = x[0]
                features, gate = sums.chunk(2, dim=1)
                results.append(torch.tanh(features) * torch.sigmoid(gate))
                if i < len(self.residual):
                    x = torch.addmm(x + maps[i][1], results[-1], maps[i][0])
            h = torch.addmm(skip_bias, torch.cat(results, 1), skip).relu_()
            h = torch.addmm(hidden_bias, h, hidden).relu_()
            token = torch.multinomial(torch.addmm(out_bias, h, out).softmax(-1), 1)[0]
            samples.append(token)
        return torch.cat(samples)


class Diffusion(nn.Module):
    """DDPM with a linear schedule; pictures from -1 to 1, noise predicted. The U-Net is the one of the fixtures."""

    STEPS = 1000
    UNET = dict(unet.DEFAULTS, height=32, width=32, base=32, mults=[1, 2, 2], blocks=2, attention=[8], heads=1, groups=8)

    def __init__(self):
        super().__init__()
        self.shapes = unet.shapes(self.UNET)
        self.weights = nn.ParameterList(nn.Parameter(self.start(name, shape)) for name, shape in self.shapes.items())
        kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, self.STEPS, dtype=torch.float64), 0).float()
        self.register_buffer("signal", kept.sqrt())
        self.register_buffer("noise", (1 - kept).sqrt())

    def start(self, name, shape):
        """Norms at 1, layers that end a branch at 0, all else as PyTorch has it: even within 1 / sqrt(fan-in)."""
        layer, kind = name.rsplit(".", 1)
        if "norm" in layer.split(".")[-1]:
            return torch.ones(shape) if kind == "weight" else torch.zeros(shape)
        if layer.split(".")[-1] in ("conv2", "out", "output"):
            return torch.zeros(shape)
        weight = self.shapes[f"{layer}.weight"]
        fan = weight[0] if len(weight) == 2 else math.prod(weight[1:])
        return torch.empty(shape).uniform_(-1, 1) / math.sqrt(fan)

    def forward(self, x, times):
        return unet.forward(dict(zip(self.shapes, self.weights)), self.UNET, x, times)

    def loss(self, images):
        index = torch.randint(self.STEPS, (len(images),))
        noise = torch.randn_like(images)
        at = lambda table: table[index].view(-1, 1, 1, 1)
        return F.mse_loss(self(at(self.signal) * images + at(self.noise) * noise, index.float()), noise)


def pictures(batch, side):
    """Pictures like none, binary as the presets for 28 x 28 have them, else from -1 to 1."""
    return (torch.rand(batch, 1, side, side) > 0.7).float() if side == 28 else torch.rand(batch, 1, side, side) * 2 - 1


def tokens(batch, length, vocabulary):
    return tuple(torch.randint(vocabulary, (batch, length)) for _ in range(2))


def recurrent_preset(kind):
    return dict(build=lambda vocabulary: Recurrent(kind, vocabulary), batch=lambda vocabulary: tokens(32, 64, vocabulary),
                optimizer=torch.optim.AdamW, lr=2e-3, clip=1)


def preset(build, batch, lr, **more):
    return dict(dict(build=lambda _: build(), batch=lambda _: batch(), optimizer=torch.optim.Adam, lr=lr), **more)


PRESETS = {
    "moby-rnn": recurrent_preset("RNN"),
    "moby-gru": recurrent_preset("GRU"),
    "moby-lstm": recurrent_preset("LSTM"),
    **{f"chicago-{kind.lower()}": preset(lambda kind=kind: Forecaster(kind), Forecaster.windows, 2e-3, optimizer=torch.optim.AdamW, clip=1)
       for kind in ("LSTM", "Transformer")},
    **{f"words-{kind.lower()}": preset(lambda kind=kind: Recognizer(kind), Recognizer.words, 2e-3, optimizer=torch.optim.AdamW, clip=1)
       for kind in ("LSTM", "Transformer")},
    "fashion-vae": preset(Vae, lambda: pictures(128, 28), 1e-3, images=True),
    "fashion-pixelcnn": preset(PixelCnn, lambda: pictures(64, 28), 1e-3, images=True),
    "fashion-gan": preset(Gan, lambda: pictures(64, 32), 2e-4, betas=(0.5, 0.999), images=True),
    "fashion-ddpm": preset(Diffusion, lambda: pictures(64, 32), 2e-4, images=True),
    "speech-wavenet": preset(WaveNet, lambda: tokens(4, 4096, 256), 1e-3),
}


def make_step(name, vocabulary, channels_last=False, foreach=True, seed=1):
    """A model and the function that makes one training step on a batch: forward, backward, clipping where the preset has it,
    update. `step(batch)` returns the loss."""
    given = PRESETS[name]
    torch.manual_seed(seed)
    model = given["build"](vocabulary)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    layout = (lambda x: x.contiguous(memory_format=torch.channels_last)) if channels_last else (lambda x: x)
    options = dict(lr=given["lr"], betas=given.get("betas", (0.9, 0.999)), foreach=foreach)
    if isinstance(model, Gan):
        optimizers = [given["optimizer"](part.parameters(), **options) for part in (model.generator, model.discriminator)]
        return model, lambda batch: model.train_step(optimizers, layout(batch))
    optimizer = given["optimizer"](model.parameters(), **options)

    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        loss = model.loss(layout(batch) if isinstance(batch, torch.Tensor) else batch)
        loss.backward()
        if "clip" in given:
            torch.nn.utils.clip_grad_norm_(model.parameters(), given["clip"])
        optimizer.step()
        return loss

    return model, step
