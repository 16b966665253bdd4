#!/usr/bin/env python3
"""Fills a CUDA device, so that others find no room: the first process of an out-of-memory test.

    fill.py DEVICE LEAVE [NAME]

Takes all memory of CUDA device number DEVICE but LEAVE MiB, at once, or as soon as a process called NAME runs. Says "ready"
when it waits, "filled FREE" when it is done, and gives all back at the end of its standard input. Plain allocations by the
driver, which is all that it needs.
"""

import ctypes
import sys
from pathlib import Path

MIB = 1 << 20


def driver():
    cuda = ctypes.CDLL("libcuda.so.1")

    def call(name, *arguments):
        status = getattr(cuda, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} failed with {status}")

    return call


def free(call):
    left, total = ctypes.c_size_t(), ctypes.c_size_t()
    call("cuMemGetInfo_v2", ctypes.byref(left), ctypes.byref(total))
    return left.value


def runs(name):
    """Whether a process of this name is there: /proc has 15 letters of it."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == name[:15]:
                return True
        except OSError:
            pass  # it has just ended
    return False


def fill(call, leave):
    """Takes pieces of falling size until no more than `leave` bytes are free."""
    piece = 1024 * MIB
    while piece >= 2 * MIB:
        memory = ctypes.c_void_p()
        if free(call) - piece < leave:
            piece //= 2
            continue
        try:
            call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(piece))
        except RuntimeError:
            piece //= 2  # free, but not in one piece


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    device, leave = int(sys.argv[1]), int(sys.argv[2]) * MIB
    call = driver()
    handle, context = ctypes.c_int(), ctypes.c_void_p()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(handle), device)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
    call("cuCtxSetCurrent", context)
    print("ready", flush=True)
    if len(sys.argv) == 4:
        while not runs(sys.argv[3]):
            pass
    fill(call, leave)
    print(f"filled {free(call) // MIB}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
