"""A GPU for the code that drives one: importing this makes `torch.cuda` answer, while tensors stay on the CPU. Every device 'cuda' becomes 'cpu' on its
way into PyTorch, events stamp the clock of the host, a graph replays nothing, memory is a fixed sum, and NVML counts 100 W. The clock runs ten times
too fast, so that warm-up and spans are short. It shows that the code runs through, and no figure of it means anything."""
import sys, time, types
from contextlib import nullcontext

import torch
from torch.overrides import TorchFunctionMode


def on_cpu(x): return 'cpu' if isinstance(x, (str, torch.device)) and str(x).split(':')[0] == 'cuda' else x


class OnCPU(TorchFunctionMode):
    def __torch_function__(self, f, kinds, args=(), kwargs=None):
        kwargs = kwargs or {}
        if f is torch.device: return f(*args, **kwargs)
        return f(*map(on_cpu, args), **{k: on_cpu(v) for k, v in kwargs.items()})


class Event:
    def __init__(self, enable_timing=False): pass
    def record(self): self.at = time.perf_counter()
    def elapsed_time(self, other): return 1000*(other.at - self.at)


class Stream:
    def wait_stream(self, other): pass


class Graph:
    def replay(self): time.sleep(1e-5)


def nothing(*args): pass


def within(*args): return nullcontext()


card = types.SimpleNamespace(total_memory=80*2**30, major=9, minor=0, multi_processor_count=132, uuid='pretended')
answers = dict(Event=Event, Stream=Stream, CUDAGraph=Graph, current_stream=Stream, stream=within, graph=within, device=within, synchronize=nothing,
               empty_cache=nothing, reset_peak_memory_stats=nothing, is_initialized=lambda: True, memory_allocated=lambda d=None: 100,
               max_memory_allocated=lambda d=None: 350, max_memory_reserved=lambda d=None: 512, mem_get_info=lambda d=None: (2**34, 2**34),
               get_device_name=lambda d=None: 'pretended', get_device_properties=lambda d=None: card)
for name, answer in answers.items(): setattr(torch.cuda, name, answer)

nvml = types.ModuleType('pynvml')
nvml.NVMLError, nvml.nvmlInit, nvml.nvmlDeviceGetHandleByUUID = RuntimeError, nothing, str
nvml.nvmlDeviceGetTotalEnergyConsumption = lambda gpu: int(1e5*time.perf_counter())  # millijoules
sys.modules['pynvml'] = nvml

clock = time.perf_counter
time.perf_counter = lambda: 10*clock()
autocast = torch.autocast.__init__
torch.autocast.__init__ = lambda self, device_type, *args, **kwargs: autocast(self, on_cpu(device_type), *args, **kwargs)
OnCPU().__enter__()
