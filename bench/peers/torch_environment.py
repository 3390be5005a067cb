"""What a PyTorch peer must settle before `import torch`, and what it says about itself.

Import this module before torch. It drops variables that pin OpenBLAS to older kernels than the processor has (on an
AVX-512 machine that halves PyTorch's matrix products), so that the peer runs as fast as it can; with --keep-environment on the
command line they stay.
"""

import ctypes
import os
import resource

import sys

sys.dont_write_bytecode = True

PINNING = () if "--keep-environment" in sys.argv else ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS",
                                                      "OMP_NUM_THREADS")
PINNED = {name: os.environ.pop(name) for name in PINNING if name in os.environ}


def openblas():
    """The OpenBLAS loaded into this process: path, threading (openmp, pthread, serial) and the kernels it chose."""
    with open("/proc/self/maps") as maps:
        paths = sorted({line.split()[-1] for line in maps if "libopenblas" in line})
    if not paths:
        return dict(path=None, threading="unknown", core=None)
    library = ctypes.CDLL(paths[0])
    library.openblas_get_corename.restype = ctypes.c_char_p
    library.openblas_get_config.restype = ctypes.c_char_p
    threading = {0: "serial", 1: "pthread", 2: "openmp"}[library.openblas_get_parallel()]
    return dict(path=paths[0], threading=threading, core=library.openblas_get_corename().decode(),
                config=library.openblas_get_config().decode())


def describe():
    import torch

    blas = openblas()
    return dict(peer="pytorch", version=torch.__version__, threads=torch.get_num_threads(), processors=os.cpu_count(),
                blas=blas, fair=blas["threading"] == "openmp", droppedEnvironment=PINNED,
                fusedAttention=hasattr(torch.nn.functional, "scaled_dot_product_attention"))


def reset_peak_memory():
    """Makes the kernel forget the peak so far (Linux; needs no privileges on one's own process)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_memory():
    """Bytes: the peak since the last reset (VmHWM) and since the process started (ru_maxrss)."""
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return dict(peakRss=int(lines["VmHWM"].split()[0]) * 1024,
                processPeakRss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
