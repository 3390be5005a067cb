"""Translation in PyTorch, as its users write it: torch.nn.Transformer with one embedding for both sides and the output, a training
step with label smoothing, and beam search that runs the decoder over all that has been written at every step.

Legend: B sentences, T tokens of the source, U of the target, V vocabulary, W width, K beams.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

V, W, B, T, U = 6000, 256, 64, 16, 20
SENTENCES, BEAMS, WRITTEN, PENALTY = 16, 4, 24, 1.0


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(V, W)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.positions = nn.Parameter(torch.randn(64, W) * 0.02)
        self.body = nn.Transformer(W, 4, 3, 3, 1024, 0.1, activation="gelu", batch_first=True, norm_first=True)
        self.bias = nn.Parameter(torch.zeros(V))

    def embed(self, ids):
        return self.tokens(ids) * math.sqrt(W) + self.positions[:ids.shape[1]]

    def decode(self, target, memory, padding):
        mask = torch.full((target.shape[1],) * 2, -math.inf).triu(1)
        return self.body.decoder(self.embed(target), memory, tgt_mask=mask, memory_key_padding_mask=padding)

    def scores(self, states):
        return states @ self.tokens.weight.t() + self.bias

    def forward(self, source, padding, target):
        memory = self.body.encoder(self.embed(source), src_key_padding_mask=padding)
        return self.scores(self.decode(target, memory, padding))

    @torch.inference_mode()
    def translate(self, source, padding):
        """The likeliest targets [B, U] of WRITTEN tokens: none ends here, so that each step is taken."""
        count = len(source)
        memory = self.body.encoder(self.embed(source), src_key_padding_mask=padding)
        memory, padding = memory.repeat_interleave(BEAMS, 0), padding.repeat_interleave(BEAMS, 0)
        tokens = torch.zeros(count * BEAMS, 1, dtype=torch.long)
        total = torch.full((count, BEAMS), -1e9)
        total[:, 0] = 0
        first = torch.arange(count)[:, None] * BEAMS
        for _ in range(WRITTEN):
            logs = self.scores(self.decode(tokens, memory, padding)[:, -1]).log_softmax(1)           # [B K, V]
            total, best = (total[:, :, None] + logs.view(count, BEAMS, V)).flatten(1).topk(BEAMS)
            tokens = torch.cat([tokens[(first + best // V).flatten()], (best % V).flatten()[:, None]], 1)
        return tokens.view(count, BEAMS, -1)[:, 0]


def ids(*shape):
    return torch.randint(V, shape)


def no_padding(count):
    return torch.zeros(count, T, dtype=torch.bool)


def step():
    """Forward, backward, clipping and AdamW, in the faster of the optimizer's loops."""
    source, padding, written, targets = ids(B, T), no_padding(B), ids(B, U), ids(B, U)

    def make(foreach):
        torch.manual_seed(1)
        model = Translator()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, foreach=foreach)

        def run():
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(source, padding, written).flatten(0, 1), targets.flatten(), label_smoothing=0.1)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
            return loss.item()
        return model, run
    return [make(True), make(False)], B * (T + U)


def beam():
    torch.manual_seed(1)
    model = Translator().eval()
    source, padding = ids(SENTENCES, T), no_padding(SENTENCES)
    return (lambda: model.translate(source, padding)), SENTENCES * WRITTEN
