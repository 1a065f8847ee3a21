"""Count what a GPU would be given to do: operations of attention layers and of a training step, on tensors that have a shape but no numbers.

Writes `nbs/results/launches.json`. Needs no GPU: the tensors say they are on a processor, and tiles and kernels are those of a GPU. An operation that only makes
a view or room is free; a custom operation counts as the kernels it starts."""
import argparse, os, sys
from collections import Counter
from pathlib import Path
from unittest.mock import patch

os.environ['TRITON_INTERPRET'] = '1'  # read when Triton is imported: kernels for a processor

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from infsa import create_model, set_kernels
from infsa.command import environment, write_json
from infsa.models.attention import InfSAttention
from infsa.operators import energies, kernels, pure
from infsa.operators.devices import TILES

FREE = set('''view _unsafe_view expand transpose permute select slice unsqueeze squeeze detach t alias unbind split split_with_sizes as_strided diagonal empty
    empty_like new_empty empty_strided _reshape_alias lift_fresh unflatten promote_types'''.split())
STARTS = dict(fused_hop=2, fused_hop_backward=2)  # kernels
INSIDE = dict(pure_hop_backward=pure._hop_backward_op._init_fn, energy_gradients=energies._tiled_gradients)  # counted by what they do
SYNCS = 'nonzero', '_local_scalar_dense', 'is_nonzero', 'item'


class Launches(TorchDispatchMode):
    def __init__(self): super().__init__(); self.counts = Counter()

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        space, name = f._schema.name.split('::')
        if name == 'fused_hop_backward':  # what stands around its kernels
            with self: kernels._row_slopes(args[0], args[6], args[4], args[7], 1., args[8])
        if name in INSIDE:
            with self: return INSIDE[name](*args, **(kwargs or {}))
        with self: found = f.decompose(*args, **(kwargs or {})) if space == 'aten' else NotImplemented
        if found is not NotImplemented: return found
        if space != 'prim' and name not in FREE: self.counts[name] += STARTS.get(name, 1)
        return f(*args, **(kwargs or {}))


def said(counts):
    return dict(launches=sum(counts.values()), syncs=sum(n for k, n in counts.items() if k in SYNCS), most=dict(counts.most_common(5)))


def layer(variant, batch, tokens, backward):
    "Operations of an attention layer, projections included."
    with FakeTensorMode(allow_non_fake_inputs=True):
        attn = InfSAttention(1024, 16, variant, dtype=torch.bfloat16)
        x = torch.empty(batch, tokens, 1024, dtype=torch.bfloat16, requires_grad=backward)
        with torch.set_grad_enabled(backward), Launches() as seen:
            out = attn(x, x, x, need_weights=False)[0]
            if backward: torch.autograd.grad(out, [x, *attn.parameters()], torch.empty_like(out))
    return said(seen.counts)


def step(variant, batch=128):
    "Operations of forward and backward of the four-layer model at 224 pixels, under autocast."
    with FakeTensorMode(allow_non_fake_inputs=True):
        with patch('torch.nn.init.trunc_normal_'): model = create_model(f'infvit_4l_{variant}')  # looks at what it drew
        x, y = torch.empty(batch, 3, 224, 224), torch.zeros(batch, dtype=torch.long)
        with Launches() as seen:
            with torch.autocast('cpu', torch.bfloat16): out = model(x)
            torch.autograd.grad(torch.nn.functional.cross_entropy(out.float(), y), [*model.parameters()])
    return said(seen.counts)


def rows(tokens, batches):
    for form in ('triton', 'torch'):
        set_kernels(form)
        for variant in ('softmax', 'linear', 'pure') if form == 'triton' else ('pure',):
            for batch in batches:
                for n in tokens:
                    for backward in (False, True):
                        yield dict(what='layer', variant=variant, kernels=form, batch=batch, tokens=n, backward=backward) | layer(variant, batch, n, backward)
            yield dict(what='training step', variant=variant, kernels=form, batch=128, tokens=197, backward=True) | step(variant)
    set_kernels('auto')


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0], epilog='examples:\n  python tools/count_launches.py\n  python tools/count_launches.py --tokens 197 --out ""',
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--tokens', nargs='+', type=int, default=[197, 1025, 4097, 16385], help='lengths of a layer')
    p.add_argument('--batches', nargs='+', type=int, default=[1, 128], help='images')
    p.add_argument('--out', default=str(ROOT/'nbs'/'results'/'launches.json'), help='file to write; empty: none')
    a = p.parse_args()
    found = []
    with patch.dict(TILES, cpu=TILES['gpu']):
        for r in rows(a.tokens, a.batches):
            found.append(r)
            print(*(f'{k}={v}' for k, v in r.items()), flush=True)
    if a.out:
        write_json(a.out, dict(command='python tools/count_launches.py', environment=environment(), rows=found))
        print(f'{len(found)} counts, in {a.out}')


if __name__ == '__main__': main()
