"""This package beside the authors' release (giorgioroffo/infinite-self-attention), from a checkout of theirs: the same numbers? where not?

Both packages are called `infsa`. Theirs is read under the name `infsa_release` by `infsa.scale.contenders`: no file of theirs is written, and compiled
ones are not used."""
import contextlib, inspect, io, json, logging, subprocess, sys, tomllib, types, warnings
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import quantiles

import torch
from torch import nn
from torch.nn import functional as F

import infsa
from infsa import InfSAttention, from_release, linear_infsa, linear_weights, pure_infsa
from infsa.command import OneLineParser, environment, one_of, reason, whole_file
from infsa.scale.contenders import load_release as package_of_release
from infsa.scale.measure import hardware, interleave

RHO, VARIANTS = 0.95, ('pure', 'linear')
OPERATORS = dict(pure=pure_infsa, linear=linear_infsa)


# ---- their package under another name

def load_release(path):
    "Their package from a checkout; `ValueError` where there is none."
    folder = Path(path).expanduser()/'infsa'
    if not folder.parent.is_dir(): raise ValueError(f'PATH: no folder {path}')
    if not all((folder/f).is_file() for f in ('__init__.py', 'core.py', 'attention.py', 'convert.py')):
        raise ValueError(f'PATH: {path} is no checkout of the release, which has infsa/core.py, attention.py and convert.py')
    return package_of_release(path)


def commit_of(path):
    "Hash and day of the checkout; None where git knows none."
    git = subprocess.run(['git', f'--git-dir={path}/.git', 'log', '-1', '--format=%H %cs'], capture_output=True, text=True)
    return dict(zip(('commit', 'date'), git.stdout.split())) if git.returncode == 0 else None


def project_of(path):
    "What the release says of itself; None where it has no pyproject.toml."
    file = Path(path).expanduser()/'pyproject.toml'
    if not file.is_file(): return None
    said = tomllib.loads(file.read_text(encoding='utf-8')).get('project', {})
    return {n: said.get(n) for n in ('name', 'version', 'license', 'requires-python', 'dependencies')}


# ---- what is measured

def off(got, want):
    "Norm of the difference over the norm."
    got, want = (torch.cat([t.detach().double().flatten() for t in (o if isinstance(o, (tuple, list)) else [o])]) for o in (got, want))
    return ((got - want).norm()/want.norm()).item()


def attempt(f):
    "What `f` returns, or the error in one line."
    try: return f()
    except Exception as e: return f'{type(e).__name__}: {reason(e)}'


def pair(theirs, variant, C, H, dtype=torch.float32, theirs_more={}, ours_more={}):
    "A layer of theirs with biases that are not zero, and ours with its weights."
    a = theirs.InfSAAttention(C, H, f'{variant}_infsa', **theirs_more).to(dtype)
    for n, p in a.named_parameters():
        if n.endswith('bias'): nn.init.normal_(p, std=0.1)
    b = InfSAttention(C, H, variant, dtype=dtype, **ours_more)
    b.load_state_dict(from_release(a.state_dict(), H))
    return a, b


def slopes(layer, x, dy):
    "Output and gradients, by name; of a stacked matrix its parts."
    x = x.clone().requires_grad_()
    out = layer(x, x, x, need_weights=False)[0]
    named = dict(layer.named_parameters())
    found = dict(zip(['x', *named], torch.autograd.grad(out, [x, *named.values()], dy, allow_unused=True)))
    for kind in ('weight', 'bias'):
        if f'in_proj_{kind}' in found: found |= {f'{c}_proj.{kind}': t for c, t in zip('qkv', found.pop(f'in_proj_{kind}').chunk(3))}
    return dict(out=out, **found)


def parity(theirs, small):
    "Outputs and gradients of two layers with the same weights."
    C, H, N, rows = (64, 4, 33, []) if small else (1024, 16, 196, [])
    for variant in VARIANTS:
        for dtype in (torch.float64, torch.float32):
            torch.manual_seed(0)
            a, b = pair(theirs, variant, C, H, dtype)
            x, dy = torch.randn(2, 2, N, C, dtype=dtype)
            a, b = slopes(a, x, dy), slopes(b, x, dy)
            rows.append(dict(variant=variant, dtype=str(dtype)[6:], **{n: off(b[n], a[n]) for n in a if n != 'rho_logit'}))
    return dict(batch=2, tokens=N, dim=C, heads=H, rows=rows)


def written_out(variant, q, k, v, eps=1e-6):
    "The release's formulas in plain code."
    D = q.shape[-1]
    if variant == 'pure':
        A = (q @ k.mT/D).relu()
        return RHO*A/(A.square().sum((-2, -1), keepdim=True).sqrt() + eps) @ v
    q, k = q/D**0.5, k/D**0.5
    e = q.square().sum(-1, keepdim=True).sqrt()
    pooled = (e*q).sum(-2, keepdim=True)/(e.sum(-2, keepdim=True) + eps)
    a = (pooled @ k.mT).relu()
    return (RHO*a/(a.sum(-1, keepdim=True) + eps) @ v).expand_as(v)


def half_types(theirs, small):
    "Outputs and gradients of the operators in half types, against float64 on the same rounded inputs."
    H, N, rows = (2, 128, []) if small else (4, 4096, [])
    for variant in VARIANTS:
        for dtype in (torch.bfloat16, torch.float16):
            torch.manual_seed(0)
            q, k, v, dy = torch.randn(4, 1, H, N, 64).to(dtype)
            def run(f, *xs):
                xs = [x.detach().requires_grad_() for x in xs]
                out = f(*xs)
                return out.detach(), torch.autograd.grad(out, xs, dy.to(out.dtype))
            want = run(partial(written_out, variant), *(t.double() for t in (q, k, v)))
            row = dict(variant=variant, dtype=str(dtype)[6:])
            for who, f in (('theirs', partial(theirs.infsa_attention, variant=f'{variant}_infsa', rho=RHO)), ('ours', partial(OPERATORS[variant], rho=RHO))):
                got = run(f, q, k, v)
                row[who] = dict(out=off(got[0], want[0]), gradients=off(got[1], want[1]))
            rows.append(row)
    return dict(tokens=N, heads=H, rows=rows)


def scales(theirs, small):
    "V21: how far the operators are apart when their inputs shrink; `linear` on scaled queries and keys is theirs."
    torch.manual_seed(3)
    q, k, v = torch.randn(3, 1, 2, 196, 64, dtype=torch.float64)
    def theirs_of(variant, s): return theirs.infsa_attention(q*s, k*s, v, f'{variant}_infsa', RHO)
    return [dict(scale=s, pure=off(pure_infsa(q*s, k*s, v, RHO), theirs_of('pure', s)), linear=off(linear_infsa(q*s, k*s, v, RHO), theirs_of('linear', s)),
                 linear_scaled=off(linear_infsa(q*s/8, k*s/8, v, RHO), theirs_of('linear', s))) for s in (1., 0.1, 0.01, 1e-3, 1e-4)]


def discount(theirs, small):
    "The logit of the discount: its shape, its gradient, and where five steps of Adam bring it."
    found = {}
    for variant in VARIANTS:
        torch.manual_seed(0)
        x, target = torch.randn(2, 2, 20, 16)
        for who, m in zip(('theirs', 'ours'), pair(theirs, variant, 16, 4)):
            optimizer = torch.optim.Adam(m.parameters(), lr=0.1)
            for _ in range(5):
                optimizer.zero_grad()
                F.mse_loss(m(x, x, x)[0], target).backward()
                gradient = m.rho_logit.grad
                optimizer.step()
            rho = m.rho_logit.detach().sigmoid()
            found[f'{variant}, {who}'] = dict(shape=list(rho.shape), gradient=gradient is not None and gradient.abs().max().item() > 0,
                                              after=[round(r, 4) for r in rho.flatten().tolist()])
    return found


def masks(theirs, small):
    "By how much each mask changes the output at tokens that stay: 0.0 means that it is ignored."
    torch.manual_seed(0)
    x, hidden = torch.randn(2, 6, 16), torch.tensor([[False]*6, [False]*4 + [True]*2])
    given = dict(key_padding_mask=hidden, attn_mask=torch.ones(6, 6).triu(1).bool(), is_causal=True)
    def change(m, mask): return off(m(x, x, x, **mask)[0][:, :4], m(x, x, x)[0][:, :4])
    found = {}
    for variant in VARIANTS:
        for who, m in zip(('theirs', 'ours'), pair(theirs, variant, 16, 4)):
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # `pure` says what a mask over pairs does not separate
                found[f'{variant}, {who}'] = {n: attempt(lambda: change(m, {n: mask})) for n, mask in given.items()}
    return found


def calls(theirs, small):
    "How the layers are called, and what they return."
    torch.manual_seed(0)
    x, memory, found = torch.randn(2, 5, 16), torch.randn(2, 7, 16), {}
    def shape(t): return None if t is None else list(t.shape)
    for variant in VARIANTS:
        q = torch.randn(8, 5, 4)
        for who, m in zip(('theirs', 'ours'), pair(theirs, variant, 16, 4)):
            operator = partial(theirs.infsa_attention, variant=f'{variant}_infsa') if who == 'theirs' else OPERATORS[variant]
            torch._dynamo.reset()
            logging.getLogger('torch._dynamo').setLevel(logging.ERROR)  # the breaks are counted
            explained = torch._dynamo.explain(m)(x, x, x)
            found[f'{variant}, {who}'] = dict(
                cross_attention=attempt(lambda: shape(m(x, memory, memory)[0])),
                need_weights=inspect.signature(m.forward).parameters['need_weights'].default,
                weights=attempt(lambda: shape(m(x, memory, memory, need_weights=True)[1])),
                weights_of_self_attention=shape(m(x, x, x, need_weights=True)[1]),
                three_axes=attempt(lambda: shape(operator(q, q, q, rho=RHO))),
                hidden_states=attempt(lambda: shape(m(hidden_states=x)[0])),
                unknown_keyword=attempt(lambda: shape(m(x, x, x, unknown=1)[0])),
                no_batch=attempt(lambda: shape(m(x[0], x[0], x[0])[0])),
                zeros_stay_finite=bool(m(x*0, x*0, x*0)[0].isfinite().all()),
                graphs=explained.graph_count, breaks=explained.graph_break_count,
                rho=type(m.rho).__name__, state={n: list(t.shape) for n, t in m.state_dict().items()})
    return found


COUNTERPARTS = {  # theirs -> ours, and how one is had from the other
    'convert': ([], ''), 'replace_attention': ([], ''),
    'infsa_attention': (['pure_infsa', 'linear_infsa'], 'a function for each variant'),
    'pure_infsa_scores': (['pure_infsa'], 'the second thing returned with `need_weights=True`'),
    'linear_infsa_scores': (['linear_weights'], 'without the discount, a row for a column'),
    'InfSAAttention': (['InfSAttention'], 'weights by `from_release`')}


def public(module): return sorted(n for n, o in vars(module).items() if not n.startswith('_') and not isinstance(o, types.ModuleType))


def names(theirs, small):
    "Public names of both, the counterparts that are there, and what they give."
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 9, 4, dtype=torch.float64)
    gaps = dict(infsa_attention=max(off(OPERATORS[n](q, k, v, RHO), theirs.infsa_attention(q, k, v, f'{n}_infsa', RHO)) for n in VARIANTS),
                pure_infsa_scores=off(pure_infsa(q, k, v, RHO, need_weights=True)[1], theirs.pure_infsa_scores(q, k, RHO)),
                linear_infsa_scores=off(RHO*linear_weights(q, k), theirs.linear_infsa_scores(q, k, RHO)[..., 0]))
    ours, arguments = set(public(infsa)), {}
    for n in ('__init__', 'forward'):
        a, b = (set(inspect.signature(getattr(c, n)).parameters) - {'self', 'kwargs'} for c in (theirs.InfSAAttention, InfSAttention))
        arguments[n] = dict(both=sorted(a & b), theirs=sorted(a - b), ours=sorted(b - a))
    same_name = {n: [n] for n in theirs.__all__ if n in ours}  # such as a `convert` that this package has now
    rows = [dict(theirs=n, signature=str(inspect.signature(getattr(theirs, n))).replace('torch.nn.modules.module.Module', 'nn.Module'),
                 ours=same_name.get(n) or [m for m in COUNTERPARTS.get(n, ([], ''))[0] if m in ours], how=COUNTERPARTS.get(n, ([], ''))[1], difference=gaps.get(n))
            for n in theirs.__all__]
    taken = {m for r in rows for m in r['ours']}
    return dict(rows=rows, arguments=arguments, ours_alone=sorted(ours - taken))


def checkpoints(theirs, small):
    "Their layers and ours made of their states, with options of theirs."
    rows = []
    for variant in VARIANTS:
        for said, a, b in (('as it is', {}, {}), ('no biases', dict(bias=False), dict(bias=False)), ('a discount of 0.7 that does not learn',
                           dict(rho_init=0.7, rho_trainable=False), dict(learn_rho=False)), ('keys and values of width 24', dict(kdim=24, vdim=24), dict(kdim=24, vdim=24)),
                           ('tokens first', dict(batch_first=False), dict(batch_first=False))):
            torch.manual_seed(0)
            one, other = pair(theirs, variant, 32, 4, torch.float64, a, b)
            x, memory = torch.randn(9, 9, 32, dtype=torch.float64), torch.randn(9, 9, a.get('kdim', 32), dtype=torch.float64)
            rows.append(dict(variant=variant, layer=said, difference=off(other(x, memory, memory)[0], one(x, memory, memory)[0])))
    return rows


# ---- speed

def bare(variant, x, W, qkv, backward):
    "Matrix products that a layer of this variant cannot do without, and nothing else; for `linear` the queries alone."
    for _ in range(1 if variant == 'linear' else 4):
        y = x @ W
        if backward: _ = y @ W.T, x[0].T @ y[0]
    if variant == 'linear': return
    for q, k, v in zip(*qkv):
        for a, (b, c) in product(q.split(1024), list(zip(k.split(512), v.split(512)))):  # tiles that stay in the cache
            A = a @ b.T
            o = A @ c
            if backward: dA = o @ c.T; _ = A.T @ o, dA @ b, dA.T @ a


def seconds_of(theirs, variant, N, backward, C, H, rounds):
    torch.manual_seed(0)
    a, b = (m.train(backward) for m in pair(theirs, variant, C, H))
    x, dy = torch.randn(2, 1, N, C)
    W, qkv = torch.randn(C, C)/C**0.5, torch.randn(3, H, N, C//H)
    def run(m):
        if not backward:
            with torch.no_grad(): return m(x, x, x, need_weights=False)
        y = x.clone().requires_grad_()
        torch.autograd.grad(m(y, y, y, need_weights=False)[0], [y, *m.parameters()], dy, allow_unused=True)
    return interleave(dict(theirs=partial(run, a), ours=partial(run, b), floor=torch.no_grad()(partial(bare, variant, x, W, qkv, backward))), rounds)


def speed(theirs, small):
    "Median and quartiles of the ratios of seconds in the same round: theirs over ours, and each over bare products."
    C, H, rows = (64, 4, []) if small else (1024, 16, [])
    for N, forward_rounds, both_rounds in ([(16, 2, 2)] if small else [(196, 31, 31), (1024, 11, 11), (4096, 5, 3)]):
        for variant in VARIANTS:
            for backward, rounds in ((False, forward_rounds), (True, both_rounds)):
                s = seconds_of(theirs, variant, N, backward, C, H, rounds)
                row = dict(variant=variant, tokens=N, backward=backward, rounds=rounds)
                for up, down in (('theirs', 'ours'), ('theirs', 'floor'), ('ours', 'floor')):
                    low, middle, high = quantiles([a/b for a, b in zip(s[up], s[down])], n=4, method='inclusive')
                    row[f'{up}/{down}'] = [round(r, 3) for r in (middle, low, high)]
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    return dict(dim=C, heads=H, dtype='float32', batch=1, rows=rows)


# ---- their `convert`

def _torchvision():
    from torchvision.models import VisionTransformer
    return VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5), torch.randn(2, 3, 32, 32)


def _timm(name, size):
    import timm
    more = dict(img_size=size, num_classes=5)
    return timm.create_model(name, pretrained=False, **more), torch.randn(2, 3, size, size)


def _encoder(): return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, dropout=0., batch_first=True), 2), torch.randn(2, 6, 16)

MODELS = {'torchvision VisionTransformer': _torchvision, 'nn.TransformerEncoder': _encoder, 'timm vit_tiny': lambda: _timm('vit_tiny_patch16_224', 64),
          'timm deit_tiny': lambda: _timm('deit_tiny_patch16_224', 64), 'timm eva02_tiny': lambda: _timm('eva02_tiny_patch14_224', 56),
          'timm swin_tiny': lambda: _timm('swin_tiny_patch4_window7_224', 224)}


def _projections(m):
    "Queries', keys' and values' weights of an attention layer of either kind; None where they stand elsewhere."
    if (stacked := getattr(m, 'in_proj_weight', None)) is not None: return stacked
    if hasattr(m, 'qkv') and m.qkv is not None: return m.qkv.weight
    three = [getattr(m, f'{c}_proj', None) for c in 'qkv']
    return torch.cat([p.weight for p in three]) if all(three) else None


def conversion(theirs, small):
    "What their `convert` makes of models: layers exchanged, weights that came along, and whether the model runs."
    rows = []
    for name, make in list(MODELS.items())[:2 if small else None]:
        try: model, x = make()
        except ImportError as e: rows.append(dict(model=name, status=f'not tried: {reason(e)}')); continue
        said, row = io.StringIO(), dict(model=name)
        with contextlib.redirect_stdout(said), torch.random.fork_rng(): new = attempt(lambda: theirs.convert(model))
        row['said'] = said.getvalue().strip().splitlines()
        if isinstance(new, str): rows.append(dict(row, convert=new)); continue
        before = dict(model.named_modules())
        layers = {n: m for n, m in new.named_modules() if isinstance(m, theirs.InfSAAttention)}
        row['layers'], row['kinds'] = len(layers), sorted({type(before[n]).__name__ for n in layers})
        row['with_their_weights'] = sum((w := _projections(before[n])) is not None and torch.equal(_projections(m), w) for n, m in layers.items())
        for mode in ('train', 'eval'):
            new.train(mode == 'train')
            with torch.no_grad(): row[mode] = attempt(lambda: list(new(x).shape))
        rows.append(row)
    return rows


SECTIONS = dict(parity=parity, half_types=half_types, scales=scales, discount=discount, masks=masks, calls=calls, names=names, checkpoints=checkpoints,
                conversion=conversion, speed=speed)


def installed(name):
    try: return version(name)
    except ImportError: return None


def main(args=None):
    p = OneLineParser('beside_release', "Compare this package with a checkout of the authors' release: outputs, gradients, differences, names, speed.",
                      'examples:\n  python tools/beside_release.py ../infinite-self-attention --out nbs/results/release.json\n'
                      '  python tools/beside_release.py ../infinite-self-attention --only parity masks\n\n'
                      'exit codes: 0 done, 2 a mistake in the arguments')
    p.add_argument('path', metavar='PATH', help='their repository, as `git clone` leaves it')
    p.add_argument('--out', help='JSON file to write; on the screen if left out')
    p.add_argument('--only', nargs='+', metavar='SECTION', default=list(SECTIONS), help=f'sections to measure, of: {", ".join(SECTIONS)}')
    p.add_argument('--small', action='store_true', help='few tokens and models, for a trial')
    a = p.parse_args(args)
    try:
        for s in a.only: one_of('--only', s, SECTIONS)
        theirs = load_release(a.path)
        result = dict(command='python tools/beside_release.py PATH --out nbs/results/release.json', seed=0, release=commit_of(a.path), project=project_of(a.path),
                      environment=dict(environment(), threads=1, hardware=hardware(), timm=installed('timm')))
        with whole_file(a.out) if a.out else contextlib.nullcontext() as part:  # a folder that is not there is told before the work
            torch.set_num_threads(1)
            for s in a.only:
                print(f'beside_release: {s}', file=sys.stderr, flush=True)
                torch.manual_seed(0)
                result[s] = SECTIONS[s](theirs, a.small)
            text = json.dumps(result, indent=1) + '\n'
            part.write_text(text, encoding='utf-8') if a.out else print(text, end='')
    except (ValueError, OSError, ImportError, SyntaxError) as e: p.error(reason(e))
    return 0


if __name__ == '__main__': sys.exit(main())
