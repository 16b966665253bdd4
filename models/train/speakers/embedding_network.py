"""The speaker-embedding network: filterbank frames in, one vector for the voice out.

A thin residual network in time and frequency, then dilated convolutions in time, then the mean
and the deviation over time.  Time is thinned by four early, since a voice changes slowly: that is
what makes it fast on one CPU thread.
"""

import torch
from torch import nn

BINS = 80
WIDTHS = (16, 32, 64)  # channels of the two-dimensional stages
STRIDES = ((2, 2), (2, 2), (2, 1))  # of each stage, in frequency and time
BREADTH = 256  # channels of the stages in time
DILATIONS = (1, 2)
EMBEDDING = 256
# Keeps the deviation's gradient finite where a channel does not change at all.
VARIANCE_FLOOR = 1e-5


class Block(nn.Module):
    """Two convolutions and a way around them; the first one may take strides."""

    def __init__(self, convolution, norm, inputs, outputs, stride=1, dilation=1):
        super().__init__()
        self.body = nn.Sequential(
            convolution(
                inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False
            ),
            norm(outputs),
            nn.ReLU(),
            convolution(outputs, outputs, 3, padding=1, bias=False),
            norm(outputs),
        )
        self.around = nn.Identity()
        if inputs != outputs or stride != 1:
            self.around = nn.Sequential(
                convolution(inputs, outputs, 1, stride, bias=False), norm(outputs)
            )

    def forward(self, x):
        return torch.relu(self.body(x) + self.around(x))


class Embedder(nn.Module):
    """`feats` [batch, frames, 80] to `embs` [batch, 256], neither of them of unit length."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, WIDTHS[0], 3, STRIDES[0], padding=1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(),
            Block(nn.Conv2d, nn.BatchNorm2d, WIDTHS[0], WIDTHS[0]),
        )
        self.planes = nn.Sequential(
            Block(nn.Conv2d, nn.BatchNorm2d, WIDTHS[0], WIDTHS[1], STRIDES[1]),
            Block(nn.Conv2d, nn.BatchNorm2d, WIDTHS[1], WIDTHS[1]),
            Block(nn.Conv2d, nn.BatchNorm2d, WIDTHS[1], WIDTHS[2], STRIDES[2]),
            Block(nn.Conv2d, nn.BatchNorm2d, WIDTHS[2], WIDTHS[2]),
        )
        height = BINS
        for stride, _ in STRIDES:
            height = (height + stride - 1) // stride
        self.flat = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], BREADTH, (height, 1), bias=False),
            nn.BatchNorm2d(BREADTH),
            nn.ReLU(),
        )
        self.lines = nn.Sequential(
            *(
                Block(nn.Conv1d, nn.BatchNorm1d, BREADTH, BREADTH, dilation=dilation)
                for dilation in DILATIONS
            )
        )
        # Both normalisations keep the vectors spread around zero.  Without them one direction that
        # all voices share takes nearly all of the length, and little is learnt.
        self.last = nn.Sequential(
            nn.BatchNorm1d(2 * BREADTH),
            nn.Linear(2 * BREADTH, EMBEDDING, bias=False),
            nn.BatchNorm1d(EMBEDDING, affine=False),
        )

    def forward(self, feats):
        x = self.planes(self.stem(feats.transpose(1, 2).unsqueeze(1)))
        x = self.lines(self.flat(x).squeeze(2))
        mean = x.mean(2)
        variance = (x - mean.unsqueeze(2)).square().mean(2)
        return self.last(torch.cat([mean, (variance + VARIANCE_FLOOR).sqrt()], 1))
