"""What training minimises: the answer's tokens, plus three helpers that make it listen.

The helpers: name the word in each encoder frame, name its phone halfway up the encoder, and look,
with head 0 of the last decoder layers, at the part of the sound where each token is found.
"""

import torch
import torch.nn.functional as F

from tokens import COMPACT, TEXT, TIME
from windows import IGNORED, SILENT_CHOICES

HELPERS = 0.5  # weight of each helper
# A time is right; its neighbours, 20 and 40 ms off, a little.
TIME_SPREAD = {-2: 0.02, -1: 0.1, 0: 0.76, 1: 0.1, 2: 0.02}
SILENT_SHARES = (0.8, 0.2)


def loss(output, batch):
    """The total, and its parts as numbers for the log."""
    logits, followed, words, phones = output
    targets = batch["targets"][batch["targets"] != IGNORED]
    token_losses = answer_losses(logits, targets)
    guides = batch["guides"]
    earlier = torch.cat([torch.full_like(guides[:, :1], -1), guides[:, :-1]], 1)
    # The first aligned head looks at the word just given, the others at the word to come.
    spans = [earlier] + [guides] * (len(followed) - 1)
    guided = [astray(weights, span) for weights, span in zip(followed, spans)]
    frames = [
        F.cross_entropy(guess.float().flatten(0, 1), batch[name].flatten())
        for guess, name in ((words, "words"), (phones, "phones"))
    ]
    helpers = guided[0] + sum(guided[1:]) / len(guided[1:]) + sum(frames)
    text, time = (targets >= 0) & (targets < TEXT), targets >= TIME
    right = logits[text].argmax(-1) == targets[text]
    parts = {
        "text": token_losses[text],
        "right": right.float(),
        "time": token_losses[time],
        "guide": guided[-1],
        "word": frames[0],
        "phone": frames[1],
    }
    return token_losses.mean() + HELPERS * helpers, {
        name: part.detach().mean() for name, part in parts.items()
    }


def answer_losses(logits, targets):
    """The cross-entropy of each target, softened for times and for windows without speech."""
    scores = logits.log_softmax(-1)
    losses = -scores.gather(-1, targets.clamp(min=0)[:, None])[:, 0]
    shifts = torch.tensor(list(TIME_SPREAD), device=targets.device)
    near = (targets[:, None] + shifts).clamp(TIME, COMPACT - 1)
    shares = torch.tensor(list(TIME_SPREAD.values()), device=targets.device)
    losses = torch.where(targets >= TIME, -(scores.gather(-1, near) * shares).sum(-1), losses)
    for target, choices in SILENT_CHOICES.items():
        soft = -sum(share * scores[:, choice] for share, choice in zip(SILENT_SHARES, choices))
        losses = torch.where(targets == target, soft, losses)
    return losses


def astray(weights, spans):
    """How little of the attention falls into the spans of the tokens that have one."""
    told = spans[..., 1] > spans[..., 0]
    first, last = spans[told][:, None].unbind(-1)
    frame = torch.arange(weights.shape[-1], device=weights.device) + 0.5
    inside = (frame >= first) & (frame < last)
    return -(weights[told] * inside).sum(-1).clamp(min=1e-6).log().mean()
