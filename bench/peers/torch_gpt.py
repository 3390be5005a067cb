"""The GPT that the PyTorch peers run, and its training step: plain, and as fast as PyTorch on a CPU allows.

Decoder-only, learned positions, LayerNorm and linears without biases, exact GELU, no dropout. Legend: B batch, T time,
C width, H heads, D = C / H, V vocabulary.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        C, self.heads = config["width"], config["heads"]
        self.norm1 = nn.Parameter(torch.ones(C))
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)
        self.norm2 = nn.Parameter(torch.ones(C))
        self.up = nn.Linear(C, 4 * C, bias=False)
        self.down = nn.Linear(4 * C, C, bias=False)

    def forward(self, x, mask, cache=None, drop=lambda y: y):
        """mask [T, T] holds 0 and -infinity. With a cache (k, v, position), x is [B, T, C] from that position on. `drop` is dropout."""
        B, T, C = x.shape
        H, D = self.heads, C // self.heads
        qkv = self.qkv(F.layer_norm(x, (C,), self.norm1))
        q, k, v = qkv.view(B, T, 3, H, D).permute(2, 0, 3, 1, 4)                   # each [B, H, T, D]
        if cache is not None:
            keys, values, position = cache
            keys[:, :, position:position + T] = k
            values[:, :, position:position + T] = v
            k, v = keys[:, :, :position + T], values[:, :, :position + T]
        x = x + drop(self.out(attend(q, k, v, mask).transpose(1, 2).reshape(B, T, C)))
        return x + drop(self.down(F.gelu(self.up(F.layer_norm(x, (C,), self.norm2)))))


def attend(q, k, v, mask):
    """PyTorch 2's fused attention where it exists, else the standard softmax of masked scores."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=mask is not None)
    scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-2, -1)              # scale q: fewer elements
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1) @ v


class GPT(nn.Module):
    """config: vocabulary, context, layers, heads, width, tied."""

    def __init__(self, config):
        super().__init__()
        self.config, C = config, config["width"]
        self.tokens = nn.Embedding(config["vocabulary"], C)
        self.positions = nn.Parameter(torch.empty(config["context"], C))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config["layers"]))
        self.norm = nn.Parameter(torch.ones(C))
        self.head = nn.Linear(C, config["vocabulary"], bias=False)
        if config["tied"]:
            self.head.weight = self.tokens.weight
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * config["layers"]) if residual else 0.02)
        T = config["context"]
        self.register_buffer("mask", torch.full((T, T), -math.inf).triu(1))

    def forward(self, tokens):
        """tokens [B, T] -> the last hidden state [B, T, C]; the head is applied by the caller where it is needed."""
        T = tokens.shape[1]
        x = self.tokens(tokens) + self.positions[:T]
        for block in self.blocks:
            x = block(x, self.mask[:T, :T])
        return F.layer_norm(x, x.shape[-1:], self.norm)

    def loss(self, tokens, targets):
        logits = self.head(self(tokens))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def make_optimizer(model, lr, foreach):
    """AdamW with weight decay on matrices only. foreach handles all tensors in a few calls."""
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [dict(params=decayed, weight_decay=0.1), dict(params=others, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), foreach=foreach)


def train_step(model, optimizer, tokens, targets):
    """Forward, backward, clipping to a global norm of 1, AdamW. Returns the loss."""
    optimizer.zero_grad(set_to_none=True)
    loss = model.loss(tokens, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss


@torch.inference_mode()
def generate(model, tokens, count):
    """nanoGPT's generation: no cache, the whole window (cropped to the context) anew for every token."""
    context = model.config["context"]
    for _ in range(count):
        logits = model.head(model(tokens[:, -context:])[:, -1])
        tokens = torch.cat([tokens, torch.multinomial(logits.softmax(-1), 1)], dim=1)
    return tokens


@torch.inference_mode()
def generate_cached(model, tokens, count):
    """With a cache of keys and values. A full cache restarts from the last half of the window, since learned
    positions cannot slide."""
    config, B = model.config, tokens.shape[0]
    T, H, D = config["context"], config["heads"], config["width"] // config["heads"]
    caches = [(torch.empty(B, H, T, D), torch.empty(B, H, T, D)) for _ in model.blocks]
    fresh, position = tokens[:, -T // 2:], 0
    for _ in range(count):
        if position + fresh.shape[1] > T:
            fresh, position = tokens[:, -T // 2:], 0
        length = fresh.shape[1]
        x = model.tokens(fresh) + model.positions[position:position + length]
        mask = model.mask[:length, :length] if length > 1 else None                # a prompt starts at position 0
        for block, (keys, values) in zip(model.blocks, caches):
            x = block(x, mask, (keys, values, position))
        logits = model.head(F.layer_norm(x[:, -1], x.shape[-1:], model.norm))
        position += length
        fresh = torch.multinomial(logits.softmax(-1), 1)
        tokens = torch.cat([tokens, fresh], dim=1)
    return tokens
