"""Whisper's network over the compact tokens.  Parameter names are those of openai-whisper, which
whisper.cpp's file format keeps.

Two things differ from a plain Whisper, in training only: one output row stands for all unused
tokens, and two helper heads name the word and the phone that sound in each encoder frame.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from grammar import WORDS
from mel import BANDS, CHUNK, FRAMES_PER_SECOND
from phones import phones
from tokens import COMPACT, TIME, TIMES, UNUSED, UNUSED_COUNT

AUDIO_CONTEXT = CHUNK * FRAMES_PER_SECOND
TEXT_CONTEXT = 448
HEAD = 64  # width of an attention head
# Decoder layers, counted from the last, whose head 0 learns to follow the words.
ALIGNED_LAYERS = 3


def sinusoids(length, channels):
    """Whisper's positions: sines in the first half of the channels, cosines in the second."""
    angles = torch.arange(length)[:, None] * frequencies(channels)
    return torch.cat([angles.sin(), angles.cos()], 1)


def frequencies(channels):
    """The angular frequency of each pair of channels."""
    half = channels // 2
    return torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))


class Attention(nn.Module):
    """Multi-head attention; `weighted` also returns the weights."""

    def __init__(self, width):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x, source=None, causal=False, weighted=False):
        source = x if source is None else source
        query, key, value = (
            layer(data).unflatten(-1, (-1, HEAD)).transpose(1, 2)
            for layer, data in ((self.query, x), (self.key, source), (self.value, source))
        )
        weights = None
        if weighted:
            weights = (query @ key.transpose(-1, -2) / math.sqrt(HEAD)).float().softmax(-1)
            mixed = weights.to(value.dtype) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self.out(mixed.transpose(1, 2).flatten(2)), weights


class Block(nn.Module):
    """A transformer block; `cross` adds attention to the encoder's output."""

    def __init__(self, width, cross):
        super().__init__()
        self.attn, self.attn_ln = Attention(width), nn.LayerNorm(width)
        if cross:
            self.cross_attn, self.cross_attn_ln = Attention(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x, heard=None, weighted=False):
        x = x + self.attn(self.attn_ln(x), causal=heard is not None)[0]
        weights = None
        if heard is not None:
            change, weights = self.cross_attn(self.cross_attn_ln(x), heard, weighted=weighted)
            x = x + change
        return x + self.mlp(self.mlp_ln(x)), weights


class Encoder(nn.Module):
    """Log-mel in, one vector for each 20 ms out; also the vectors after the middle layer."""

    def __init__(self, width, layers):
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(AUDIO_CONTEXT, width))
        self.blocks = nn.ModuleList(Block(width, cross=False) for _ in range(layers))
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel, offset):
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        places = offset[:, None] + torch.arange(x.shape[1], device=x.device)
        x = x + self.positional_embedding[places].to(x.dtype)
        for number, block in enumerate(self.blocks):
            x = block(x)[0]
            if number == len(self.blocks) // 2:
                middle = x
        return self.ln_post(x), middle


class Decoder(nn.Module):
    """Compact tokens in, logits of the `wanted` positions and weights of the aligned heads out."""

    def __init__(self, width, layers):
        super().__init__()
        self.token_embedding = nn.Embedding(COMPACT, width)
        self.positional_embedding = nn.Parameter(0.1 * sinusoids(TEXT_CONTEXT, width))
        self.blocks = nn.ModuleList(Block(width, cross=True) for _ in range(layers))
        self.ln = nn.LayerNorm(width)
        # The unused row speaks for many tokens, so it gets the logarithm of their number.
        bias = torch.zeros(COMPACT)
        bias[UNUSED] = math.log(UNUSED_COUNT)
        self.register_buffer("unused_bias", bias, persistent=False)

    def forward(self, tokens, heard, wanted):
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        x, followed = x.to(heard.dtype), []
        for number, block in enumerate(self.blocks):
            x, weights = block(x, heard, weighted=number >= len(self.blocks) - ALIGNED_LAYERS)
            if weights is not None:
                followed.append(weights[:, 0])
        x = self.ln(x[wanted])
        return F.linear(
            x, self.token_embedding.weight.to(x.dtype)
        ).float() + self.unused_bias, followed


class Whisper(nn.Module):
    """Encoder, decoder and the two helper heads."""

    def __init__(self, width=128, layers=4):
        super().__init__()
        self.shape = {"width": width, "layers": layers}
        self.encoder, self.decoder = Encoder(width, layers), Decoder(width, layers)
        self.frame_head = nn.Linear(width, len(WORDS) + 1)
        self.phone_head = nn.Linear(width, phones()[1] + 1)
        initialise(self)

    def forward(self, batch, wanted):
        """Logits, weights of the aligned heads, and logits of the two helpers."""
        heard, middle = self.encoder(batch["mel"], batch["offset"])
        logits, followed = self.decoder(batch["tokens"], heard, wanted)
        return logits, followed, self.frame_head(heard), self.phone_head(middle)


def initialise(model):
    """Starting values: PyTorch's own drown the sound beside the positions (power 0.5)."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.7 * layer.in_features**-0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for convolution, gain in ((model.encoder.conv1, 3.0), (model.encoder.conv2, 1.5)):
        nn.init.normal_(convolution.weight, std=gain * (3 * convolution.in_channels) ** -0.5)
        convolution.weight.data -= convolution.weight.data.mean((1, 2), keepdim=True)
        nn.init.zeros_(convolution.bias)
    for block in [*model.encoder.blocks, *model.decoder.blocks]:
        ends = [block.attn.out, block.mlp[2]] + (
            [block.cross_attn.out] if hasattr(block, "cross_attn") else []
        )
        for layer in ends:
            layer.weight.data *= 0.35
    embedding = model.decoder.token_embedding.weight.data
    nn.init.normal_(embedding, std=0.05)
    embedding[TIME:] += 0.06 * sinusoids(
        TIMES, embedding.shape[1]
    )  # neighbouring times start alike
    for block, distance in zip(model.encoder.blocks, (3, 6, 10, 16)):
        look_aside(block.attn, distance)


def look_aside(attention, distance):
    """Make heads start as soft look-ups `distance` frames to the left, to the right, and here.

    On sinusoidal positions a shift is a rotation of each sine and cosine pair.  Without this start
    an encoder needs thousands of steps to find out that neighbouring frames matter.
    """
    width = attention.query.in_features
    omega, pair = frequencies(width)[: HEAD // 2], torch.arange(HEAD // 2)
    gain = 1.3 * (3 / distance) ** 0.25
    for head in range(width // HEAD):
        shift = (-distance, distance, 0)[head % 3]
        for layer, turn in ((attention.query, omega * shift), (attention.key, omega * 0)):
            weight, first = layer.weight.data, HEAD * head
            sine, cosine = first + pair, first + HEAD // 2 + pair
            weight[first : first + HEAD] *= 0.3
            weight[sine, pair] += gain * turn.cos()
            weight[sine, width // 2 + pair] += gain * turn.sin()
            weight[cosine, width // 2 + pair] += gain * turn.cos()
            weight[cosine, pair] -= gain * turn.sin()
