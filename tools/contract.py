"""What PyTorch's users expect of an attention module, feature by feature and variant by variant.

Each function below states one expectation in code and raises where it does not hold. `tests/test_contract.py` runs the quick ones, and
`python tools/contract.py` runs all and writes the table that nbs/3_models/30a_contract.ipynb shows."""
import argparse, copy, json, os, pickle, sys, tempfile, time, warnings
from contextlib import contextmanager
from itertools import product
from pathlib import Path

os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')

import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from infsa import InfSAttention, create_model
from infsa.command import environment, write_json
from infsa.models.attention import UNDISCOUNTED, VARIANTS

ROOT = Path(__file__).resolve().parent.parent
FEATURES = []


def feature(name, refused={}, other={}, slow=False, only=None, quick=None):
    """Put a function of a variant into the table. `refused`: words of the `ValueError` that a variant answers with instead;
    `other`: variant -> (entry of the table, exception, its words), where something else is expected; `only`: variants it is asked of; `quick`: those of them that are asked in every run of the tests."""
    def add(f):
        FEATURES.append(dict(name=name, f=f, refused=refused, other=other, slow=slow, only=only or tuple(VARIANTS), quick=quick or tuple(VARIANTS)))
        return f
    return add


def outcome(entry, variant):
    "Entry of the table: 'ok', 'refused' or another one; raises where something else happens than is expected."
    if variant not in entry['only']: return '-'
    torch.manual_seed(0)
    torch._dynamo.reset()
    word, kind, said = entry['other'].get(variant, ('refused', ValueError, entry['refused'].get(variant)))
    try: entry['f'](variant)
    except Exception as e:
        if said and isinstance(e, kind) and said in f'{e}': return word
        raise
    if said: raise AssertionError(f'{entry["name"]}, {variant}: expected {kind.__name__} with {said!r}')
    return 'ok'


def close(got, want, tol=1e-9):
    "Whether tensors agree to `tol` of the largest entry of the pair's second."
    for a, b in zip(got, want, strict=True):
        if a is None and b is None: continue
        off, size = (a.double() - b.double()).abs().max().item() if a.numel() else 0., max(b.abs().max().item() if b.numel() else 0., 1e-30)
        assert a.shape == b.shape and off <= tol*max(size, 1e-6), (off, size)


def layer(variant, dtype=torch.float64, **kwargs):
    "A layer of width 16 with biases and discounts that are not all alike."
    m = InfSAttention(16, 4, variant, dtype=dtype, **kwargs)
    for n, p in m.named_parameters():
        if n.endswith('bias') or n == 'rho_logit': nn.init.normal_(p)
    return m


def tokens(*shape, dtype=torch.float64): return torch.randn(*shape, dtype=dtype)

PAD = torch.tensor([[False]*5, [False]*3 + [True]*2])


def run(m, *xs, real=~PAD, **call):
    "Output at real tokens, and the gradients of its squares at the parameters and at `xs`."
    xs = [x.detach().requires_grad_() for x in xs] if len({id(x) for x in xs}) > 1 else [xs[0].detach().requires_grad_()]*len(xs)
    out = m(*xs, need_weights=False, **call)[0]
    out = out[real] if real is not None else out
    ins = list(dict.fromkeys(xs)) + list(m.parameters())
    return [out, *torch.autograd.grad(out.square().sum(), ins, allow_unused=True)]


# ---- whose padding: every road by which PyTorch makes copies (P1)

def _expected(m, x): return run(m, x, x, x, key_padding_mask=PAD)

def _road(change, **declared):
    "The layer on one tensor, before and after `change`, which may wrap or alter it."
    def check(v):
        m = layer(v, **declared)
        x, want = tokens(2, 5, 16), None
        want = _expected(copy.deepcopy(m), x)
        close(run(change(m), x, x, x, key_padding_mask=PAD), want)
    return check

def _hook(m): m.register_full_backward_hook(lambda *_: None); return m
def _pre_hook(m): m.register_full_backward_pre_hook(lambda *_: None); return m
def _mapping(m): m.register_forward_pre_hook(lambda _, args: tuple(a + 0 for a in args)); return m

feature('backward hook, with padding')(_road(_hook))
feature('backward pre-hook, with padding')(_road(_pre_hook))
feature('pre-hook that maps inputs, padding; declared')(_road(_mapping, self_attention=True))
feature('the same, undeclared', refused={v: 'self_attention=True or False' for v in VARIANTS if v not in UNDISCOUNTED})(_road(_mapping))


@feature('reentrant and other checkpoints, padding')
def _(v):
    m, x = layer(v), tokens(2, 5, 16)
    def again(reentrant):
        r = x.clone().requires_grad_()
        o = checkpoint(lambda q, k, v: m(q, k, v, key_padding_mask=PAD, need_weights=False)[0], r, r, r, use_reentrant=reentrant)[~PAD]
        return [o, *torch.autograd.grad(o.square().sum(), [r])] if not reentrant else [o, (o.square().sum().backward(), r.grad)[1]]
    close(again(False), _expected(m, x)[:2])
    close(again(True), _expected(m, x)[:2])


@feature('copies of one input and queries with positions, declared; compiled too')
def _(v):
    m, x, pos = layer(v, self_attention=True), tokens(2, 5, 16), tokens(1, 5, 16)
    loud = x.masked_fill(PAD[..., None], 100.)
    q, k, cut = loud + pos, loud + pos, slice(0, 3)
    want = m((x + pos)[1:, cut], (x + pos)[1:, cut], x[1:, cut])[0][0]
    for f in (m, torch.compile(m, backend='eager', fullgraph=True)):
        close([f(q, k, loud, key_padding_mask=PAD, need_weights=False)[0][1, cut]], [want])
    close([layer_like(m, None)(q, k, loud, key_padding_mask=PAD, query_padding_mask=PAD)[0][1, cut]], [want])


def layer_like(m, self_attention):
    "The same layer with another declaration."
    other = copy.deepcopy(m)
    other.self_attention = self_attention
    return other


@feature('equally long memory of a decoder is not its targets')
def _(v):
    m, x, memory = layer(v, self_attention=False), tokens(2, 5, 16), tokens(2, 5, 16)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        got = m(x, memory, memory, key_padding_mask=PAD)[0]
    if v == 'identity': return close([got[1, 3:]], [m.out_proj.bias.expand(2, -1)])  # keeps its own value, and that is hidden
    want = m(x, memory, memory, key_padding_mask=PAD, query_padding_mask=torch.zeros_like(PAD))[0]
    close([got], [want])


@contextmanager
def one_process():
    "A process group of this process alone."
    import torch.distributed as dist
    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
    try: yield dist.device_mesh.init_device_mesh('cpu', (1,))
    finally: dist.destroy_process_group()


def _sharded(v, policy, dtype, tol, **declared):
    from torch.distributed.fsdp import fully_shard
    m, x = layer(v, dtype, **declared), tokens(2, 5, 16, dtype=dtype)
    want = _expected(copy.deepcopy(m), x)[:2]
    with one_process() as mesh:
        shard = fully_shard(m, mesh=mesh, **({} if policy is None else dict(mp_policy=policy)))
        for _ in range(2):  # with gradients
            r = x.clone().requires_grad_()
            o = shard(r, r, r, key_padding_mask=PAD, need_weights=False)[0][~PAD]
            o.square().sum().backward()
        with torch.no_grad(): still = shard(x, x, x, key_padding_mask=PAD, need_weights=False)[0][~PAD]
    close([o, still, r.grad], [want[0], want[0], want[1]], tol)


@feature('FSDP2 on the layer, padding')
def _(v): _sharded(v, None, torch.float64, 1e-9)

@feature('FSDP2 with bfloat16 policy, padding; declared')
def _(v):
    from torch.distributed.fsdp import MixedPrecisionPolicy
    _sharded(v, MixedPrecisionPolicy(param_dtype=torch.bfloat16), torch.float32, 6e-2, self_attention=True)  # gradients of 8 bits, as under autocast


@feature('vmap over tensors and masks; declared')
def _(v):
    m, x = layer(v, self_attention=True), tokens(3, 2, 5, 16)
    pads = torch.stack([PAD, ~PAD.flip(1).logical_not(), PAD.flip(0)])
    got = torch.vmap(lambda a, p: m(a, a, a, key_padding_mask=p, need_weights=False)[0])(x, pads)
    close(got, [m(a, a, a, key_padding_mask=p, need_weights=False)[0] for a, p in zip(x, pads)])


class Called(nn.Module):
    "A layer as a program to export."
    def __init__(self, m): super().__init__(); self.m = m
    def forward(self, q, k, v, pad): return self.m(q, k, v, key_padding_mask=pad, need_weights=False)[0]


@feature('exported with three tensors, called with one; declared')
def _(v):
    m, xs = layer(v, self_attention=True), [tokens(2, 5, 16) for _ in range(3)]
    program = torch.export.export(Called(m), (*xs, PAD)).module()
    close([program(xs[0], xs[0], xs[0], PAD)[~PAD], program(*xs, PAD)[~PAD]],
          [m(*xs[:1]*3, key_padding_mask=PAD)[0][~PAD], m(*xs, key_padding_mask=PAD)[0][~PAD]])


# ---- padding, masks

@feature('NaN and infinity in padding reach nothing')
def _(v):
    m, x = layer(v), tokens(2, 5, 16)
    clean = x.masked_fill(PAD[..., None], 0)
    for bad, weights in product((float('nan'), float('inf'), 1e300), (True, False)):
        dirty = x.masked_fill(PAD[..., None], bad)
        a, b = (m(t, t, t, key_padding_mask=PAD, need_weights=weights)[0][~PAD] for t in (clean, dirty))
        close([b], [a])
        close(torch.autograd.grad(b.square().sum(), list(m.parameters())), torch.autograd.grad(a.square().sum(), list(m.parameters())))


@feature('float masks of -inf, -1e9 and the lowest number remove')
def _(v):
    m, x, far = layer(v), tokens(2, 5, 16), tokens(2, 7, 16)
    pad = torch.arange(7) >= torch.tensor([[7], [4]])
    same_length = v in ('multihop', 'kernel', 'identity')
    y, p = (x, PAD) if same_length else (far, pad)
    want = m(x, y, y, key_padding_mask=p)[0]
    for low in (-torch.inf, -1e9, torch.finfo(torch.float32).min):
        close([m(x, y, y, key_padding_mask=torch.zeros(p.shape).masked_fill(p, low))[0]], [want])


@feature('additive bias on the scores', refused={v: 'has no scores to add a bias to' for v in VARIANTS if v != 'softmax'})
def _(v):
    ours, x, bias = layer(v), tokens(2, 5, 16), tokens(8, 5, 5)
    theirs = nn.MultiheadAttention(16, 4, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    for w in (True, False): close([ours(x, x, x, attn_mask=bias, need_weights=w)[0]], [theirs(x, x, x, attn_mask=bias, need_weights=w)[0]])


PAIRS = {v: 'a mask over pairs of tokens cannot act' for v in ('linear', 'kernel')}
WARNED = {v: ('warned', UserWarning, 'all edges share one norm') for v in ('pure', 'multihop')}

def _past_stands(v, warn='error', **call):
    m, x = layer(v), tokens(2, 5, 16)
    later = torch.cat([x[:, :-1], 3*x[:, -1:]], 1)
    with warnings.catch_warnings():
        warnings.simplefilter(warn)
        close([m(later, later, later, **call)[0][:, :-1]], [m(x, x, x, **call)[0][:, :-1]])

CAUSAL = torch.ones(5, 5).triu(1).bool()

@feature('is_causal keeps the future out', refused=PAIRS)
def _(v): _past_stands(v, is_causal=True)

@feature('causal attn_mask with is_causal, as PyTorch\'s encoders pass it', refused=PAIRS)
def _(v): _past_stands(v, attn_mask=CAUSAL, is_causal=True)

@feature('causal attn_mask alone keeps the future out', refused=PAIRS, other=WARNED)
def _(v): _past_stands(v, attn_mask=CAUSAL)

@feature('block-diagonal attn_mask keeps sequences apart', refused=PAIRS, other=WARNED)
def _(v): _past_stands(v, attn_mask=torch.block_diag(torch.ones(4, 4), torch.ones(1, 1)) == 0)

@feature('segment_ids keep sequences apart, exactly as alone')
def _(v):
    m, x, ids = layer(v), tokens(2, 5, 16), torch.tensor([[0, 1, 0, 1, 1]]).expand(2, -1)
    got = m(x, x, x, segment_ids=ids)[0]
    for s in (0, 1): close([got[:, ids[0] == s]], [m(*[x[:, ids[0] == s]]*3)[0]])


@feature('shapes of masks: PyTorch\'s, nothing else')
def _(v):
    m, x = layer(v), tokens(2, 5, 16)
    for shape, weights in product(((5,), (1, 5), (2, 4, 5, 5), (2, 5, 5)), (True, False)):
        try: m(x, x, x, attn_mask=torch.zeros(shape, dtype=torch.bool), need_weights=weights)
        except ValueError as e: assert 'attn_mask must have shape (5, 5) or' in str(e), e
        else: raise AssertionError(f'attn_mask of shape {shape} was taken')


# ---- the transformer layers of PyTorch

def _encoder(**kwargs): return nn.TransformerEncoderLayer(16, 4, 32, **{'dropout': 0., 'batch_first': True, 'dtype': torch.float64, **kwargs})

@feature('TransformerEncoderLayer: train, eval, no_grad, unbatched, sequence first, norm first, no bias')
def _(v):
    for kwargs in ({}, dict(norm_first=True), dict(bias=False), dict(batch_first=False)):
        e, first = _encoder(**kwargs), kwargs.get('batch_first', True)
        e.self_attn = layer(v, batch_first=first, bias=kwargs.get('bias', True), self_attention=True)
        x = tokens(2, 5, 16)
        turn = (lambda t: t) if first else (lambda t: t.transpose(0, 1))
        want = turn(e.train()(turn(x), src_key_padding_mask=PAD))[~PAD]
        close([turn(e.eval()(turn(x), src_key_padding_mask=PAD))[~PAD]], [want])
        with torch.inference_mode(): close([turn(e(turn(x), src_key_padding_mask=PAD))[~PAD]], [want])
        close([e(x[1, :3])], [want[5:]])


@feature('TransformerEncoder: swapped before it is built')
def _(v):
    e = _encoder()
    e.self_attn = layer(v)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        encoder = nn.TransformerEncoder(e, 2).eval()
    x = tokens(2, 5, 16)
    with torch.no_grad(): close([encoder(x, src_key_padding_mask=PAD)[1, :3]], [encoder(x[1:, :3])[0]])


@feature('TransformerEncoder: swapped after, inference with padding', refused={v: 'set use_nested_tensor = False' for v in VARIANTS})
def _(v):
    encoder, x = nn.TransformerEncoder(_encoder(), 2).eval(), tokens(2, 5, 16)
    for l in encoder.layers: l.self_attn = layer(v)
    with torch.no_grad():
        alone = encoder(x[1:, :3])
        encoder.use_nested_tensor = False
        close([encoder(x, src_key_padding_mask=PAD)[1, :3]], [alone[0]])
        encoder.use_nested_tensor = True
        encoder(x, src_key_padding_mask=PAD)


@feature('TransformerDecoderLayer: cross-attention to longer memory', refused=dict(
    multihop='as many keys as queries', kernel='as many keys as queries', identity='as many keys as queries'))
def _(v):
    d = nn.TransformerDecoderLayer(16, 4, 32, dropout=0., batch_first=True, dtype=torch.float64)
    d.self_attn, d.multihead_attn = layer('softmax'), layer(v, self_attention=False)
    x, memory, pad = tokens(2, 5, 16), tokens(2, 7, 16), torch.arange(7) >= torch.tensor([[7], [4]])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        close([d(x, memory, memory_key_padding_mask=pad)[1]], [d(x[1:], memory[1:, :4])[0]])


@feature('the same as nn.MultiheadAttention in 2,160 combinations', only=('softmax',))
def _(v):
    g = torch.Generator().manual_seed(0)
    masks = {None: None, 'bool': torch.bool, 'float': torch.float64}
    makers = [dict(), dict(bias=False), dict(batch_first=False), dict(kdim=6, vdim=10), dict(kdim=6, vdim=10, bias=False), dict(batch_first=False, bias=False)]
    count = 0
    for kwargs in makers:
        theirs = nn.MultiheadAttention(16, 4, **{'batch_first': True, 'dtype': torch.float64, **kwargs})
        ours = InfSAttention(16, 4, 'softmax', dtype=torch.float64, **kwargs)
        ours.load_state_dict(theirs.state_dict())
        for batched, cross, pad, (rank, kind), w, average, train in product((True, False), (True, False), masks, [
                (0, None), (2, 'bool'), (2, 'float'), (3, 'bool'), (3, 'float')], (True, False), (True, False), (True, False)):
            if not w and not average: continue
            M = 7 if cross else 5
            x = torch.randn(2, 5, 16, generator=g, dtype=torch.float64)
            y = torch.randn(2, M, 16, generator=g, dtype=torch.float64) if cross else x
            k, u = ((torch.randn(2, M, d, generator=g, dtype=torch.float64) for d in (6, 10)) if 'kdim' in kwargs else (y, y))
            kpm = torch.rand(2, M, generator=g) > .7
            kpm[:, 0] = False
            am = torch.rand(*((8,) if rank == 3 else ()), 5, M, generator=g) > .7
            am[..., 0] = False
            xs, call = [x, k, u], dict(need_weights=w, average_attn_weights=average)
            if pad: call['key_padding_mask'] = kpm if pad == 'bool' else torch.randn(2, M, generator=g, dtype=torch.float64).masked_fill(kpm, -torch.inf)
            if rank: call['attn_mask'] = am if kind == 'bool' else torch.randn(am.shape, generator=g, dtype=torch.float64).masked_fill(am, -torch.inf)
            if not batched:
                xs = [t[0] for t in xs]
                if pad: call['key_padding_mask'] = call['key_padding_mask'][0]
                if rank == 3: call['attn_mask'] = call['attn_mask'][:4]
            elif not kwargs.get('batch_first', True): xs = [t.transpose(0, 1) for t in xs]
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of masks of two types
                close(ours.train(train)(*xs, **call), theirs.train(train)(*xs, **call))
            count += 1
    assert count == 2160, count


# ---- out_proj and what hangs on it (P2, P13)

@feature('a hook on out_proj fires once, and what it puts in acts')
def _(v):
    m, x, seen = layer(v), tokens(2, 5, 16), []
    m.out_proj.register_forward_hook(lambda *_: seen.append(1))
    m.out_proj.register_forward_pre_hook(lambda _, args: (torch.zeros_like(args[0]),))
    for call in (dict(), dict(key_padding_mask=PAD), dict(need_weights=False)):
        seen.clear()
        close([m(x, x, x, **call)[0]], [m.out_proj.bias.expand(2, 5, -1)])
        assert len(seen) == 1, seen


@feature('prune, weight_norm, spectral_norm on out_proj, trained')
def _(v):
    ways = [lambda l: prune.l1_unstructured(l, 'weight', .5), nn.utils.weight_norm, nn.utils.spectral_norm,
            nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]
    x = tokens(2, 5, 16)
    for way in ways:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of deprecation
            m = layer(v)
            way(m.out_proj)
        before, opt = m(x, x, x)[0].detach(), torch.optim.SGD(m.parameters(), .05)
        for _ in range(3):
            opt.zero_grad(); m(x, x, x)[0].square().mean().backward(); opt.step()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in m.out_proj.named_parameters() if 'weight' in n)
        assert not torch.equal(before, m(x, x, x)[0])


@feature('quantize_dynamic')
def _(v):
    m, x = create_model(f'infvit_mini_{v}').eval(), torch.randn(4, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of deprecation
        q = torch.ao.quantization.quantize_dynamic(m, {nn.Linear}, dtype=torch.qint8)
        got, want = q(x), m(x)
    assert (got - want).norm() < .1*want.norm()  # 8 bits in 17 layers; a matrix left out or used twice is off by more than half
    assert q.blocks[0].attn.rho.shape == (4,)


@feature('LoRA by peft on q, k, v and out: gradients, merge')
def _(v):
    from peft import LoraConfig, get_peft_model
    m, x = create_model(f'infvit_mini_{v}'), torch.randn(2, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        tuned = get_peft_model(m, LoraConfig(target_modules=['out_proj'], target_parameters=[f'blocks.{i}.attn.in_proj_weight' for i in range(4)]))
    first = tuned(x).detach()
    lora = {n: p for n, p in tuned.named_parameters() if 'lora_' in n}
    assert len(lora) == 16
    for p in lora.values(): nn.init.normal_(p, std=.1)
    tuned(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in lora.values())
    moved = tuned.eval()(x).detach()
    assert (moved - first).abs().max() > 1e-2
    close([tuned.merge_and_unload()(x)], [moved], 1e-4)


@feature('stream and forward agree with an adapter on out_proj', only=('linear',))
def _(v):
    from peft import LoraConfig, get_peft_model
    m, x = create_model(f'infvit_mini_{v}').eval(), torch.randn(1, 3, 32, 32)
    first = m(x).detach()
    tuned = get_peft_model(m, LoraConfig(target_modules=['out_proj'])).eval()
    for n, p in tuned.named_parameters():
        if 'lora_' in n: nn.init.normal_(p, std=.1)
    assert (tuned(x) - first).abs().max() > 1e-2
    close([m.stream(x[0], progress=False).logits], [tuned(x)[0]], 1e-4)


# ---- torch.func and derivatives (P12)

def _functions(v):
    m, x = layer(v), tokens(2, 5, 16)
    p = {n: t.detach() for n, t in m.named_parameters()}
    out = lambda p, x: torch.func.functional_call(m, p, (x, x, x), dict(need_weights=False))[0]
    def plain(x):
        leaves = {n: t.clone().requires_grad_() for n, t in p.items()}
        return dict(zip(leaves, torch.autograd.grad(out(leaves, x).square().sum(), list(leaves.values()))))
    return p, x, out, plain

@feature('torch.func.grad, per-sample gradients, vmap')
def _(v):
    p, x, out, plain = _functions(v)
    loss = lambda p, x: out(p, x).square().sum()
    close(torch.func.grad(loss)(p, x).values(), plain(x).values())
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(p, x[:, None])
    for i in range(2): close([g[i] for g in each.values()], plain(x[i:i+1]).values())
    close([torch.vmap(lambda t: out(p, t[None])[0])(x)], [out(p, x)])

@feature('jacrev, jacobian(vectorize=True)')
def _(v):
    p, x, out, _ = _functions(v)
    want = torch.autograd.functional.jacobian(lambda t: out(p, t), x[:1])
    close([torch.func.jacrev(lambda t: out(p, t))(x[:1]), torch.autograd.functional.jacobian(lambda t: out(p, t), x[:1], vectorize=True)], [want]*2)

_FLASH = dict(softmax=('PyTorch\'s kernel has none', (NotImplementedError, RuntimeError), 'flash'))

@feature('forward mode: jvp, jacfwd', other=_FLASH)
def _(v):
    p, x, out, _ = _functions(v)
    close([torch.func.jacfwd(lambda t: out(p, t))(x[:1])], [torch.func.jacrev(lambda t: out(p, t))(x[:1])])

@feature('second derivatives in all four orders of forward and reverse mode', other=_FLASH)
def _(v):
    p, x, out, _ = _functions(v)
    loss, fwd, rev = lambda t: out(p, t).square().sum(), torch.func.jacfwd, torch.func.jacrev
    want = rev(rev(loss))(x[:1, :3]) if v != 'softmax' else None
    close([a(b(loss))(x[:1, :3]) for a, b in ((fwd, rev), (rev, fwd), (fwd, fwd))], [want]*3)

@feature('gradcheck and gradgradcheck, in batches too', other=_FLASH)
def _(v):
    m, x = layer(v), tokens(1, 3, 16).requires_grad_()
    f = lambda t: m(t, t, t, need_weights=False)[0]
    assert torch.autograd.gradcheck(f, (x,), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(f, (x,))


# ---- compile and export (P10, P11)

def _compiled(v, n, backend, tol, dtype=torch.float32):
    m, x = layer(v, dtype), tokens(1, n, 16, dtype=dtype)
    close(run(torch.compile(m, backend=backend, fullgraph=True), x, x, x, real=None), run(m, x, x, x, real=None), tol)

@feature('compile fullgraph, forward and backward, 33 and 197 tokens')
def _(v):
    for n in (33, 197): _compiled(v, n, 'aot_eager', 1e-5)

@feature('the same, 1025 and 4097 tokens', slow=True)
def _(v):
    for n in (1025, 4097) if v != 'multihop' else (1025,): _compiled(v, n, 'aot_eager', 1e-5)  # a dense solve of 4097 takes minutes

@feature('compile with inductor, 197 tokens', slow=True)
def _(v): _compiled(v, 197, 'inductor', 1e-5)

@feature('compile: at most 3 graphs over 14 lengths, dynamic=True too')
def _(v):
    m = layer(v, torch.float32)
    compiled = torch.compile(m, backend='aot_eager', fullgraph=True)
    for n in (33, 50, 260):  # forward and backward of the graph that serves all lengths
        x = tokens(1, n, 16, dtype=torch.float32)
        close(run(compiled, x, x, x, real=None), run(m, x, x, x, real=None), 1e-5)
    for dynamic in (None, True):
        torch._dynamo.reset()
        m, graphs = layer(v), []
        compiled = torch.compile(m, backend=lambda g, _: graphs.append(1) or g.forward, fullgraph=True, dynamic=dynamic)
        for n in (2, 3, 5, 8, 16, 33, 50, 65, 100, 129, 197, 260, 600, 700):
            x = tokens(1, n, 16)
            close([compiled(x, x, x, need_weights=False)[0]], [m(x, x, x, need_weights=False)[0]])
        assert len(graphs) <= 3, len(graphs)

@feature('compile under autocast, backward_pass_autocast off: gradients as in eager')
def _(v):
    m, x = layer(v, torch.float32), tokens(2, 33, 16, dtype=torch.float32)
    compiled = torch.compile(m, backend='aot_eager', fullgraph=True)
    with torch.autocast('cpu', torch.bfloat16), torch._functorch.config.patch(backward_pass_autocast='off'):
        close(run(compiled, x, x, x, real=None), run(m, x, x, x, real=None), 2e-2)  # 8 bits, rounded in two orders

@feature('torch.export: dynamic batch and image size, run with gradients', quick=('pure', 'linear', 'multihop', 'kernel'))
def _(v):
    from torch.export import Dim
    m, (b, h, w) = create_model(f'infvit_mini_{v}').eval(), (Dim(n, min=2 if n != 'b' else 1, max=64) for n in 'bhw')
    program = torch.export.export(m, (torch.randn(2, 3, 48, 40),), dynamic_shapes={'images': {0: b, 2: 4*h, 3: 4*w}}).module()
    for size in ((5, 40, 56), (1, 16, 24), (3, 80, 100)):
        x = torch.randn(size[0], 3, *size[1:], requires_grad=True)
        y = program(x)
        y.sum().backward()
        close([y], [m(x)], 1e-4)
        assert x.grad.isfinite().all()

@feature('ONNX: dynamic batch in onnxruntime', only=('softmax', 'pure', 'linear', 'kernel', 'identity'), quick=('linear', 'kernel', 'multihop'))
def _(v):
    import onnxruntime
    m, x = create_model(f'infvit_mini_{v}').eval(), torch.randn(5, 3, 32, 32)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(m, (x[:2],), f'{folder}/m.onnx', dynamo=True, dynamic_shapes={'images': {0: torch.export.Dim('b', min=1, max=64)}}, verbose=False)
        session = onnxruntime.InferenceSession(f'{folder}/m.onnx')
        got = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
    close([got], [m(x)], 1e-5)

@feature('FakeTensorMode; meta, forward and backward')
def _(v):
    from torch._subclasses import FakeTensorMode
    with FakeTensorMode():
        x = torch.randn(2, 5, 16)
        assert InfSAttention(16, 4, v)(x, x, x, key_padding_mask=torch.zeros(2, 5))[0].shape == x.shape
    x = torch.randn(2, 5, 16, device='meta', requires_grad=True)
    InfSAttention(16, 4, v, device='meta')(x, x, x, key_padding_mask=torch.zeros(2, 5, device='meta'))[0].sum().backward()
    assert x.grad.is_meta


# ---- a module among modules (P7, P14, P15, P19)

@feature('device, dtype, reset_parameters, to_empty')
def _(v):
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        m = InfSAttention(16, 4, v, device='meta', dtype=dtype).to_empty(device='cpu')
        m.apply(lambda o: o.reset_parameters() if hasattr(o, 'reset_parameters') else None)
        assert all(p.isfinite().all() for p in m.parameters())
        assert {p.dtype for n, p in m.named_parameters() if n != 'rho_logit'} == {dtype}
        assert m.rho_logit is None or m.rho_logit.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)

@feature('the discount\'s logit stays float32 in half types')
def _(v):
    for cast in (nn.Module.half, nn.Module.bfloat16, lambda m: m.to(torch.float16), lambda m: m.double().half()):
        m = cast(InfSAttention(16, 4, v))
        assert m.in_proj_weight.dtype != torch.float32 and (m.rho_logit is None or m.rho_logit.dtype == torch.float32)

@feature('deepcopy, pickle, state_dict, deterministic repeat')
def _(v):
    m, x = layer(v), tokens(2, 5, 16)
    fresh = InfSAttention(16, 4, v, dtype=torch.float64)
    fresh.load_state_dict(m.state_dict())
    for again in (fresh, copy.deepcopy(m), pickle.loads(pickle.dumps(m)), m): assert torch.equal(again(x, x, x)[0], m(x, x, x)[0])

@feature('in-place on the output, views of it, an empty batch')
def _(v):
    m, x = layer(v), tokens(2, 5, 16)
    out = m(x, x, x, need_weights=False)[0]
    want = out + x
    out += x
    close([out], [want])
    out.view(-1)
    for shape in ((0, 6, 16), (2, 0, 16), (2, 1, 16)):
        e = tokens(*shape).requires_grad_()
        m(e, e, e, need_weights=False)[0].sum().backward()
        assert e.grad.shape == e.shape
        assert m(e, e, e, segment_ids=torch.zeros(shape[:2], dtype=torch.long))[0].shape == e.shape

@feature('autocast and casts in half types against float64')
def _(v):
    m, x = layer(v, torch.float32), tokens(2, 33, 16, dtype=torch.float32)
    want = copy.deepcopy(m).double()(*[x.double()]*3)[0]
    for d in (torch.bfloat16, torch.float16):
        with torch.autocast('cpu', d): close([m(x, x, x)[0]], [want], 2e-2)
        close([copy.deepcopy(m).to(d)(*[x.to(d)]*3)[0]], [want], 2e-2)

@feature('DDP, FSDP2 per block: InfViT trains')
def _(v):
    from torch.distributed.fsdp import fully_shard
    x, net = torch.randn(2, 3, 32, 32), create_model(f'infvit_mini_{v}')
    want = copy.deepcopy(net)
    want(x).square().sum().backward()
    with one_process() as mesh:
        ddp = nn.parallel.DistributedDataParallel(copy.deepcopy(net), find_unused_parameters=False)
        ddp(x).square().sum().backward()
        close([p.grad for p in ddp.parameters()], [p.grad for p in want.parameters()], 1e-4)
        for b in net.blocks: fully_shard(b, mesh=mesh)
        fully_shard(net, mesh=mesh)
        net(x).square().sum().backward()
        close([p.grad.full_tensor() for p in net.parameters()], [p.grad for p in want.parameters()], 1e-4)


def main():
    p = argparse.ArgumentParser(description='Check every expectation for every variant and write the table that the page shows.', formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog='examples:\n  python tools/contract.py\n  python tools/contract.py --only export --variants linear pure --out ""')
    p.add_argument('--only', default='', help='part of the names of the features to check')
    p.add_argument('--variants', nargs='+', default=list(VARIANTS), choices=list(VARIANTS), help='variants to check')
    p.add_argument('--out', default=str(ROOT/'nbs'/'results'/'contract.json'), help='file to write; empty: none')
    a = p.parse_args()
    torch.set_num_threads(1)
    rows, failed = {}, []
    for entry in (e for e in FEATURES if a.only in e['name']):
        start, row = time.perf_counter(), {}
        for v in a.variants:
            try: row[v] = outcome(entry, v)
            except Exception as e: row[v], failed = 'FAILS', [*failed, f'{entry["name"]}, {v}: {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ""}']
        rows[entry['name']] = row
        print(f'{time.perf_counter() - start:5.1f} s  {entry["name"]}: {", ".join(f"{v} {o}" for v, o in row.items())}', flush=True)
    for line in failed: print(line, file=sys.stderr)
    if a.out and a.only == '' and len(a.variants) == len(VARIANTS):
        write_json(a.out, dict(command='python tools/contract.py', seed=0, environment=environment(), features=rows))
        print(f'{len(rows)} features x {len(VARIANTS)} variants, {len(failed)} failures, in {a.out}')
    return bool(failed)


if __name__ == '__main__': sys.exit(main())
