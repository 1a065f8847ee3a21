"""Whether `convert` keeps its promises, model by model and promise by promise.

Each row below makes a tiny model with random weights, and each column is a promise that raises where it is broken. `tests/test_convert.py`
runs the quick ones, and `python tools/convert_table.py` runs all and writes the table that nbs/3_models/33_convert.ipynb shows."""
import argparse, copy, os, pickle, sys, tempfile, time, warnings
from pathlib import Path

os.environ.setdefault('HF_HUB_OFFLINE', '1')

import torch
from torch import nn

from infsa import convert, load_converted, plan, revert, save_converted, softmax
from infsa.command import environment, write_json
from infsa.models.plans import find_attention, module_outputs, relative, run_example
from infsa.models.families import Converted, is_converted, set_variant
from infsa.models.mixer import DEFAULT_NORMS, UNDISCOUNTED, VARIANTS
from infsa.operators.features import naive_kernel_infsa
from infsa.operators.linear import naive_linear_infsa
from infsa.operators.multihop import naive_multihop_infsa
from infsa.operators.pure import naive_pure_infsa

ROOT = Path(__file__).resolve().parent.parent
NAIVE = dict(pure=naive_pure_infsa, linear=naive_linear_infsa, multihop=naive_multihop_infsa, kernel=naive_kernel_infsa)
ROWS, COLUMNS = {}, {}


def row(name, refused='', lora=(), exclude=None, only=tuple(VARIANTS), padding=None, programs=True):
    """Put a maker of (model, example) into the table. `refused`: words of the refusal, where the model has no layer that converts;
    `lora`: modules for adapters; `exclude`: what stays; `only`: variants that can; `padding`: (model, example) -> (one, other) outputs at real tokens;
    `programs`: whether the model compiles and exports before its conversion."""
    def add(f): ROWS[name] = dict(name=name, make=f, refused=refused, lora=lora, exclude=exclude, only=only, padding=padding, programs=programs); return f
    return add


def column(name, slow=False):
    def add(f): COLUMNS[name] = dict(name=name, f=f, slow=slow); return f
    return add


def shake(model):
    "Weights under which attention matters: without small scales of layers, zero heads and biases."
    torch.manual_seed(1)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.ndim < 2: p.add_(.3*torch.randn_like(p))
            elif p.ndim == 2 and ('head' in n or not p.any()): nn.init.xavier_uniform_(p)
            elif 'weight' in n and p.ndim == 2: p.mul_(2)
    return model.eval()


def made(entry):
    torch.manual_seed(0)
    model, example = entry['make']()
    return shake(model), example


def first(out):
    "The tensor that a model's output begins with."
    if isinstance(out, torch.Tensor): return out
    return out[0] if isinstance(out, (tuple, list)) else next(iter(out.values()))


def run(model, example): return first(model(**example) if isinstance(example, dict) else model(*(example if isinstance(example, tuple) else (example,))))


def converted(entry, variant, **kwargs):
    model, example = made(entry)
    return *convert(model, variant, exclude=entry['exclude'], **kwargs), example


def variants(entry): return [v for v in VARIANTS if v in entry['only']]


# ---- models

def image(side=32): return torch.randn(2, 3, side, side)

@row('torchvision ViT', lora=['out_proj'])
def _():
    from torchvision.models import VisionTransformer
    return VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10), image()

PAD = torch.tensor([[False]*6, [False]*4 + [True]*2])

def loud(key, pad):
    "Outputs at real tokens, as they are and with padded tokens a hundred times as loud, and those of a shorter input."
    def check(model, example):
        real = ~example[pad] if example[pad].dtype == torch.bool else example[pad].bool()
        turn = first(model(**example)).shape[:2] != real.shape
        def out(x): o = first(model(**{**example, key: x})); return (o.transpose(0, 1) if turn else o)[real]
        x = example[key]
        m = real.T if turn else real
        other = torch.where(m, x, (x + 7) % 50) if x.ndim == 2 else torch.where(m[..., None], x, 100*x)
        return out(x), out(other)
    return check

def encoder(**kwargs):
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0., **kwargs)
    x = torch.randn(2, 6, 16) if kwargs.get('batch_first') else torch.randn(6, 2, 16)
    return nn.TransformerEncoder(layer, 2), dict(src=x, src_key_padding_mask=PAD)

row('nn.TransformerEncoder', lora=['out_proj'], padding=loud('src', 'src_key_padding_mask'))(lambda: encoder(batch_first=True))
row('nn.TransformerEncoder, sequence first, norm first', padding=loud('src', 'src_key_padding_mask'))(lambda: encoder(norm_first=True))

ACROSS = 'softmax', 'pure', 'linear'

@row('nn.TransformerDecoder, not causal', only=ACROSS)
def _():
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32, dropout=0., batch_first=True), 2), (torch.randn(2, 5, 16), torch.randn(2, 6, 16))

@row('nn.MultiheadAttention, other widths, no bias', only=ACROSS)
def _():
    return nn.MultiheadAttention(16, 2, kdim=6, vdim=10, bias=False, batch_first=True), (torch.randn(2, 5, 16), torch.randn(2, 7, 6), torch.randn(2, 7, 10))

@row('nn.MultiheadAttention with add_zero_attn', refused='adds a key that is no token')
def _(): return nn.MultiheadAttention(16, 2, add_zero_attn=True, batch_first=True), (torch.randn(2, 5, 16),)*3


def from_timm(name, title=None, size=32, refused='', exclude=None, lora=('qkv', 'proj'), **kwargs):
    def make():
        import timm
        return timm.create_model(name, num_classes=10, **{**(dict(img_size=size) if size else {}), 'depth': 2, **kwargs}), image(size or 64)
    row(f'timm {title or name}', refused, list(lora), exclude)(make)

SMALL = dict(embed_dim=32, num_heads=4)
from_timm('vit_tiny_patch16_224', 'ViT', patch_size=8, **SMALL)
from_timm('vit_tiny_patch16_224', 'ViT with a norm on queries', patch_size=8, qk_norm=True, **SMALL)
from_timm('vit_tiny_patch16_224', 'ViT with heads 72 wide', patch_size=8, embed_dim=144, num_heads=2)
from_timm('deit_tiny_distilled_patch16_224', 'DeiT, distilled', patch_size=8, **SMALL)
from_timm('deit3_small_patch16_224', 'DeiT-3', patch_size=8, **SMALL)
from_timm('vit_base_patch16_clip_224', 'CLIP', patch_size=8, **SMALL)
from_timm('vit_base_patch16_siglip_224', 'SigLIP, its pool excluded', patch_size=8, exclude='attn_pool', **SMALL)
from_timm('vit_small_patch14_reg4_dinov2', 'DINOv2 with registers', patch_size=8, **SMALL)
from_timm('eva02_tiny_patch14_224', 'EVA-02', patch_size=8, lora=('proj',), **SMALL)
from_timm('vit_small_patch16_dinov3', 'DINOv3', patch_size=8, lora=('proj',), **SMALL)
from_timm('vit_pe_core_tiny_patch16_384', 'Perception Encoder, its pool excluded', patch_size=8, exclude='attn_pool', lora=('proj',), **SMALL)
from_timm('vit_small_patch16_rope_224', 'ViT with RoPE', patch_size=8, lora=('proj',), **SMALL)
from_timm('naflexvit_base_patch16_gap', 'NaFlex', size=None, lora=('proj',), **SMALL)

def louder_patches(model, example):
    patches, where, real = example
    return run(model, example), run(model, (torch.where(real[..., None], patches, 100*patches), where, real))

@row('timm NaFlex, padded', only=('softmax', 'pure', 'multihop', 'identity'), lora=['proj'], padding=louder_patches, programs=False)  # its positions keep timm from both
def _():
    import timm
    where = torch.cartesian_prod(torch.arange(2), torch.arange(3)).expand(2, -1, -1)
    return timm.create_model('naflexvit_base_patch16_gap', num_classes=10, depth=2, patch_size=8, **SMALL), (torch.randn(2, 6, 192), where.clone(), torch.tensor([[True]*6, [True]*3 + [False]*3]))

from_timm('swin_tiny_patch4_window7_224', 'Swin', depths=(1, 1), refused='adds a bias to the scores', embed_dim=16, num_heads=(2, 2), window_size=4, depth=None)
from_timm('beit_base_patch16_224', 'BEiT', patch_size=8, refused='adds a bias to the scores', **SMALL)
from_timm('cait_xxs24_224', 'CaiT', patch_size=8, refused='heads talk to each other', **SMALL)
from_timm('xcit_nano_12_p8_224', 'XCiT', refused='attends over channels', **SMALL)

SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
VISION = dict(SIZES, image_size=32, patch_size=8)

def from_hugging_face(title, config, model, example, lora=('q_proj', 'k_proj', 'v_proj', 'o_proj'), sizes=VISION, **kwargs):
    def make():
        import transformers as T
        return getattr(T, model)(getattr(T, config)(**sizes)), example()
    row(f'Hugging Face {title}', lora=list(lora), **kwargs)(make)

def pixels(): return dict(pixel_values=image())
def words(**more): return dict(input_ids=torch.randint(5, 50, (2, 6)), attention_mask=(~PAD).long(), **more)

CLIP_LORA = ('q_proj', 'k_proj', 'v_proj', 'out_proj')
from_hugging_face('ViT', 'ViTConfig', 'ViTModel', pixels)
from_hugging_face('DeiT', 'DeiTConfig', 'DeiTModel', pixels)
from_hugging_face('DINOv2', 'Dinov2Config', 'Dinov2Model', pixels)
from_hugging_face('DINOv3', 'DINOv3ViTConfig', 'DINOv3ViTModel', pixels)
from_hugging_face('CLIP vision', 'CLIPVisionConfig', 'CLIPVisionModel', pixels, CLIP_LORA)
TOWERS = dict(text_config=dict(SIZES, vocab_size=50, max_position_embeddings=8, bos_token_id=1, eos_token_id=2), vision_config=VISION, projection_dim=16)
from_hugging_face('CLIP, both towers', 'CLIPConfig', 'CLIPModel', lambda: words(**pixels()), CLIP_LORA, TOWERS, only=('softmax', 'pure', 'multihop', 'identity'))
from_hugging_face('SigLIP, its pool excluded', 'SiglipConfig', 'SiglipModel', lambda: words(**pixels()), CLIP_LORA,
                  dict(TOWERS, text_config=dict(SIZES, vocab_size=50, max_position_embeddings=8, projection_size=32)), exclude='*head')
from_hugging_face('BERT', 'BertConfig', 'BertModel', words, ('query', 'key', 'value'), dict(SIZES, vocab_size=50), padding=loud('input_ids', 'attention_mask'))

@row('Hugging Face DETR', only=('softmax', 'pure', 'linear'), lora=['q_proj', 'k_proj', 'v_proj', 'o_proj'])
def _():
    import transformers as T
    backbone = T.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], out_features=['stage2'])
    config = T.DetrConfig(use_timm_backbone=False, backbone=None, use_pretrained_backbone=False, backbone_config=backbone, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                          decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=5)
    mask = torch.ones(2, 48, 48, dtype=torch.long)
    mask[1, :, 32:] = 0
    return T.DetrModel(config), dict(pixel_values=image(48), pixel_mask=mask)

@row('Hugging Face Swin', refused='adds a bias to the scores')
def _():
    import transformers as T
    return T.SwinModel(T.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)), pixels()


# ---- promises

@column('identity by softmax')
def _(entry):
    model, example = made(entry)
    rows = plan(model, 'softmax', exclude=entry['exclude'], example=example)
    assert rows.counts()['refused'] == 0, rows
    assert all(r.identity is not None and r.identity <= 1e-5 for r in rows if r.state == 'converted'), rows
    torch.manual_seed(2); want = run(model.train(), example)
    convert(model, 'softmax', exclude=entry['exclude'])
    torch.manual_seed(2); got = run(model, example)
    assert relative(got, want) <= 1e-4, relative(got, want)


@column('others fail the same check')
def _(entry):
    model, example = made(entry)
    names = [n for n, s in find_attention(model).items() if not isinstance(s, str)]
    want = module_outputs(model, example, names)
    for v in variants(entry):
        if v == 'softmax': continue
        convert(model, v, exclude=entry['exclude'])
        got = module_outputs(model, example, names)
        changes = {n: relative(got[n], want[n]) for n in names if is_converted(model.get_submodule(n))}
        assert min(changes.values()) > 1e-3, (v, changes)
        revert(model)


@column('against loops, on the q, k, v of the model')
def _(entry):
    for v in set(variants(entry)) & set(NAIVE):
        model, report, example = converted(entry, v)
        m = model.get_submodule(next(r.name for r in report if r.state == 'converted'))
        seen = {}
        norm = dict(norm=DEFAULT_NORMS[v]) if v in DEFAULT_NORMS else {}
        if isinstance(m, Converted):
            def answer(q, k, v_, attn_mask=None, dropout_p=0., is_causal=False, scale=None, **kw):
                seen.update(q=q, k=k, v=v_, mask=attn_mask, causal=is_causal, scale=scale)
                seen['out'] = Converted._answer(m, q, k, v_, attn_mask, dropout_p, is_causal, scale, **kw)
                return seen['out']
            m._answer = answer
        else:
            def keep(module, args, kwargs, out):
                xs = list(args[:3]) or [kwargs[n] for n in ('query', 'key', 'value')]
                xs = [x if module.batch_first else x.transpose(0, 1) for x in xs]
                q, k, v_ = module.project(*xs)
                pad = kwargs.get('key_padding_mask')
                seen.update(q=q, k=k, v=v_, mask=None if pad is None else ~(pad.bool() if pad.dtype == torch.bool else pad < 0)[:, None, None], causal=False, scale=None,
                            whole=out[0] if module.batch_first else out[0].transpose(0, 1), proj=module.out_proj)
            m.register_forward_hook(keep, with_kwargs=True)
        with torch.no_grad(): run(model, example)
        q, k, v_ = (seen[n].double() for n in 'qkv')
        if seen['scale']: q = q*seen['scale']*q.shape[-1]**.5
        mask = seen['mask'] if seen['mask'] is None or seen['mask'].dtype == torch.bool else seen['mask'] == 0
        pad = None if mask is None or mask.shape[2] > 1 else ~mask[:, 0, 0].expand(len(q), k.shape[2])
        masks = {} if mask is None else dict(attn_mask=~mask) if pad is None else dict(key_padding_mask=pad, query_padding_mask=pad)
        if seen['causal']: masks['is_causal'], norm = True, {}
        if seen['causal'] and v == 'multihop': norm = dict(norm='frobenius')
        want = NAIVE[v](q, k, v_, m.rho.double(), **masks, **norm)
        if 'out' in seen: got = seen['out']
        else: got, want = seen['whole'], seen['proj'](want.float().transpose(1, 2).flatten(2))
        assert relative(got, want) <= 2e-5, (v, relative(got, want))


@column('padding moves nothing')
def _(entry):
    if not entry['padding']: return '-'
    for v in variants(entry):
        model, _, example = converted(entry, v)
        with torch.no_grad(): a, b = entry['padding'](model, example)
        assert relative(b, a) <= 1e-5, (v, relative(b, a))


@column('gradients')
def _(entry):
    model, example = made(entry)
    first_name = next(n for n, p in model.named_parameters() if p.ndim == 2)
    model.get_parameter(first_name).requires_grad_(False)
    run(model, example).square().sum().backward()
    had = {n for n, p in model.named_parameters() if p.grad is not None}
    for v in variants(entry):
        model.zero_grad()
        convert(model, v, exclude=entry['exclude'])
        run(model, example).square().sum().backward()
        unread = ('bias_k', 'in_proj_bias')
        none = {n for n, p in model.named_parameters() if n in had and p.grad is None}
        if v == 'identity': none = {n for n in none if not any(w in n for w in ('q_', 'k_', 'query', 'key'))}  # nobody asks
        assert not none, (v, none)
        rhos = [p for n, p in model.named_parameters() if n.endswith('rho_logit')]
        assert bool(rhos) == (v not in UNDISCOUNTED) and all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        assert all(p.grad is not None for p in rhos) and any(p.grad.any() for p in rhos) == bool(rhos)
        assert not model.get_parameter(first_name).requires_grad and model.get_parameter(first_name).grad is None
        revert(model)


@column('keys, copies, files')
def _(entry):
    model, example = made(entry)
    old, keys = copy.deepcopy(model.state_dict()), list(model.state_dict())
    ties = {id(p) for p in model.parameters()}
    base = copy.deepcopy(model)
    model, report = convert(model, 'pure', exclude=entry['exclude'])
    new = [f'{r.name}.rho_logit'.lstrip('.') for r in report if r.state == 'converted']
    assert sorted(set(model.state_dict()) - set(keys)) == sorted(new) and set(keys) <= set(model.state_dict())
    assert ties <= {id(p) for p in model.parameters()}
    with torch.no_grad():
        for n in new: model.get_parameter(n).uniform_(-1, 1)
        want = run(model, example)
        missing = model.load_state_dict(old, strict=False)
        assert sorted(missing.missing_keys) == sorted(new) and not missing.unexpected_keys
        second, _ = convert(base, 'pure', exclude=entry['exclude'], inplace=False)
        second.load_state_dict(model.state_dict())
        others = [second, copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        with tempfile.TemporaryDirectory() as folder:
            save_converted(model, f'{folder}/m.safetensors')
            others.append(load_converted(base, f'{folder}/m.safetensors'))
        for o in others: assert torch.equal(run(o, example), want)


@column('teacher; revert is bitwise')
def _(entry):
    model, example = made(entry)
    classes, state = [type(m) for m in model.modules()], copy.deepcopy(model.state_dict())
    with torch.no_grad(): want = run(model, example)
    slow = first(run_example(model, example))  # without PyTorch's fused encoder, which gives zeros for padding
    items = [set(m.__dict__) for m in model.modules()]
    for v in variants(entry):
        convert(model, v, exclude=entry['exclude'])
        changed = first(run_example(model, example))
        with softmax(model): assert relative(first(run_example(model, example)), slow) <= 1e-4
        assert torch.equal(first(run_example(model, example)), changed)
        revert(model)
        assert [type(m) for m in model.modules()] == classes and [set(m.__dict__) for m in model.modules()] == items
        assert list(model.state_dict()) == list(state) and all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), state.values()))
        with torch.no_grad(): assert torch.equal(run(model, example), want)


@column('half types')
def _(entry):
    for v in ('pure', 'linear'):
        if v not in entry['only']: continue
        model, _, example = converted(entry, v)
        with torch.no_grad(), torch.autocast('cpu', torch.bfloat16): assert run(model, example).isfinite().all()
        model.bfloat16()
        cast = lambda t: t.bfloat16() if isinstance(t, torch.Tensor) and t.is_floating_point() else t
        example = {k: cast(t) for k, t in example.items()} if isinstance(example, dict) else tuple(map(cast, example)) if isinstance(example, tuple) else cast(example)
        with torch.no_grad(): assert run(model, example).isfinite().all()
        assert {p.dtype for n, p in model.named_parameters() if n.endswith('rho_logit')} == {torch.float32}


@column('the report adds up')
def _(entry):
    model, example = made(entry)
    v = 'pure' if 'pure' in entry['only'] else entry['only'][0]
    dry = plan(model, v, exclude=entry['exclude'], example=example)
    _, real = convert(model, v, exclude=entry['exclude'], example=example)
    assert [(r.name, r.state, r.variant, r.queries) for r in dry] == [(r.name, r.state, r.variant, r.queries) for r in real]
    assert sum(map(is_converted, model.modules())) == real.counts()['converted'] and sum(real.counts().values()) == len(real)


@column('adapters (LoRA)', slow=True)
def _(entry):
    if not entry['lora']: return '-'
    from peft import LoraConfig, get_peft_model
    for v in ('pure', 'linear'):
        if v not in entry['only']: continue
        model, report, example = converted(entry, v)
        inside = [r.name for r in report if r.state == 'converted']
        target = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.split('.')[-1] in entry['lora'] and any(n.startswith(i) for i in inside)]
        with torch.no_grad(): before = run(model, example)
        tuned = get_peft_model(model, LoraConfig(target_modules=target, init_lora_weights=False))
        out = run(tuned, example)
        assert relative(out, before) > 1e-3
        out.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for n, p in tuned.named_parameters() if 'lora_' in n), v


@column('compiled in one graph', slow=True)
def _(entry):
    if not entry['programs']: return '-'
    for v in ('pure', 'linear'):
        if v not in entry['only']: continue
        torch._dynamo.reset()
        model, _, example = converted(entry, v)
        with torch.no_grad():
            want = run(model, example)
            got = run(torch.compile(model, backend='eager', fullgraph=True), example)
        assert relative(got, want) <= 1e-5, (v, relative(got, want))


@column('exported', slow=True)
def _(entry):
    if not entry['programs']: return '-'
    for v in ('pure', 'linear'):
        if v not in entry['only']: continue
        model, _, example = converted(entry, v)
        args, kwargs = ((), example) if isinstance(example, dict) else (example if isinstance(example, tuple) else (example,), {})
        with torch.no_grad():
            program = torch.export.export(model, args, kwargs).module()
            assert relative(first(program(*args, **kwargs)), run(model, example)) <= 1e-5, v


def outcome(entry, promise):
    "Entry of the table: 'ok', 'refused' or '-'; raises where a promise is broken."
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        if not entry['refused']: return promise['f'](entry) or 'ok'
        model, example = made(entry)
        for v in ('pure', 'linear'):
            try: convert(model, v)
            except ValueError as e: assert entry['refused'] in str(e), e
            else: raise AssertionError(f'{entry["name"]} was converted')
            assert any(entry['refused'] in r.why for r in plan(model, v)) and not any(map(is_converted, model.modules()))
        return 'refused'


def main():
    p = argparse.ArgumentParser(description='Check every promise for every model and write the table that the page shows.', formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog='examples:\n  python tools/convert_table.py\n  python tools/convert_table.py --only BERT --out ""')
    p.add_argument('--only', default='', help='part of the names of the models to check')
    p.add_argument('--columns', default='', help='part of the names of the promises to check')
    p.add_argument('--out', default=str(ROOT/'nbs'/'results'/'convert.json'), help='file to write; empty: none')
    a = p.parse_args()
    torch.set_num_threads(1)
    table, failed = {}, []
    for entry in (e for e in ROWS.values() if a.only in e['name']):
        start, found = time.perf_counter(), {}
        for promise in (c for c in COLUMNS.values() if a.columns in c['name']):
            try: found[promise['name']] = outcome(entry, promise)
            except Exception as e: found[promise['name']], failed = 'FAILS', [*failed, f'{entry["name"]}, {promise["name"]}: {type(e).__name__}: {str(e)[:600]}']
        table[entry['name']] = found
        print(f'{time.perf_counter() - start:5.1f} s  {entry["name"]}: {", ".join(n for n, o in found.items() if o == "FAILS") or "ok"}', flush=True)
    for line in failed: print(line, file=sys.stderr)
    if a.out and not a.only and not a.columns:
        import timm, transformers
        write_json(a.out, dict(command='python tools/convert_table.py', seed=0, environment=dict(environment(), timm=timm.__version__, transformers=transformers.__version__), models=table))
        print(f'{len(table)} models x {len(COLUMNS)} promises, {len(failed)} failures, in {a.out}')
    return bool(failed)


if __name__ == '__main__': sys.exit(main())
