"The promises of `tools/convert_table.py` that are quick to check, the table on the page of the conversion, and what has no column there."
import copy, json, subprocess, sys, warnings
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))
pytest.importorskip('timm'), pytest.importorskip('transformers')
from convert_table import COLUMNS, ROWS, first, image, made, outcome, relative, run

import processes
from infsa import adapter, convert, plan, revert, softmax
from infsa.models.plans import find_attention, module_outputs
from infsa.models.families import FAMILIES, Site, full_name, is_converted

TABLE = ROOT/'nbs'/'results'/'convert.json'
QUICK = [c for c in COLUMNS.values() if not c['slow']]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize('entry', ROWS.values(), ids=lambda e: e['name'])
def test_promises(entry):
    row = json.loads(TABLE.read_text())['models'][entry['name']]
    assert {c['name']: outcome(entry, c) for c in QUICK} == {c['name']: row[c['name']] for c in QUICK}


def test_the_table_has_no_wrong_entry():
    models = json.loads(TABLE.read_text())['models']
    assert list(models) == list(ROWS) and all(list(r) == list(COLUMNS) for r in models.values())
    assert {o for r in models.values() for o in r.values()} == {'ok', 'refused', '-'}


@pytest.mark.parametrize('name', ['Hugging Face BERT', 'Hugging Face CLIP, both towers', 'timm ViT'])
def test_a_part_of_a_model_leaves_the_rest_alone(name):
    "Layers that were not converted compute what they computed, with padding and with a causal mask, in the same model."
    model, example = made(ROWS[name])
    names = list(find_attention(model))
    want = module_outputs(model, example, names)
    converted = names[-1]
    convert(model, 'pure', include=converted, example=example)
    got = module_outputs(model, example, names)
    assert [n for n in names if is_converted(model.get_submodule(n))] == [converted]
    for n in names[:-1]: assert relative(got[n], want[n]) <= 1e-5
    assert relative(got[converted], want[converted]) > 1e-3


def test_the_text_tower_is_refused_in_the_plan():
    model, example = made(ROWS['Hugging Face CLIP, both towers'])
    for kwargs in ({}, dict(example=example)):
        rows = plan(model, 'linear', **kwargs)
        assert {r.name.split('.')[0]: r.state for r in rows} == dict(text_model='refused', vision_model='converted')
        assert all('it is causal' in r.why for r in rows if r.state == 'refused')
    _, rows = convert(model, {'text*': 'pure', '*': 'linear'}, example=example)
    assert rows.counts()['converted'] == 4


def test_the_future_stays_hidden_in_a_text_tower():
    model, example = made(ROWS['Hugging Face CLIP, both towers'])
    convert(model, 'pure')
    ids = example['input_ids'][:1]
    other = torch.cat([ids[:, :-1], (ids[:, -1:] + 7) % 50], 1)
    a, b = (model.text_model(input_ids=i).last_hidden_state[:, :-1] for i in (ids, other))
    assert relative(b, a) <= 1e-6


def test_refused_layers_are_kept_if_one_says_so():
    model, example = made(ROWS['timm SigLIP, its pool excluded'])
    with pytest.raises(ValueError, match=r'1 of 3 attention modules are refused.*attn_pool \(one query asks'): convert(model, 'pure')
    assert not any(map(is_converted, model.modules()))
    model, rows = convert(model, 'pure', example=example, refused='keep')
    assert rows.counts() == dict(converted=2, excluded=0, refused=1)
    with pytest.raises(ValueError, match='nothing to convert, 3 attention modules'): convert(revert(model), 'pure', include='attn_pool', refused='keep')


def test_one_query_is_found_by_an_example():
    pool = nn.MultiheadAttention(8, 2, batch_first=True)
    example = torch.randn(2, 1, 8), *[torch.randn(2, 5, 8)]*2
    assert plan(pool, 'pure', example=example)[0].why.startswith('one query asks')


def test_unclear_padding_is_refused_by_an_example():
    layer, x, pad = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8), torch.tensor([[False]*5, [False]*3 + [True]*2])
    same, other = (dict(query=x, key=k, value=x, key_padding_mask=pad) for k in (x, x + 1))
    assert plan(layer, 'pure', example=same)[0].state == 'converted'
    assert 'nothing says whether' in plan(layer, 'pure', example=other)[0].why


def test_hand_made_attention_is_refused_in_the_plan():
    model, _ = made(ROWS['timm ViT'])
    model.blocks[1].attn.fused_attn = False
    assert [r.state for r in plan(model)] == ['converted', 'refused']
    model, _ = made(ROWS['Hugging Face ViT'])
    model.set_attn_implementation('eager')
    assert all("'eager'" in r.why for r in plan(model))


def test_no_attention_maps_are_promised():
    model, example = made(ROWS['Hugging Face ViT'])
    convert(model, 'pure')
    with pytest.raises((ValueError, RuntimeError)): model(**example, output_attentions=True)


def test_hugging_face_masks_over_pairs_are_refused():
    model, example = made(ROWS['Hugging Face BERT'])
    convert(model, 'pure')
    pairs = torch.ones(2, 1, 6, 6, dtype=torch.bool).tril()
    with pytest.raises(ValueError, match=r'takes padding \(B, M\) only'): model(example['input_ids'], attention_mask=pairs)


def test_an_adapter_of_ones_own():
    class Attend(nn.Module):
        def __init__(self): super().__init__(); self.qkv = nn.Linear(8, 24)
        def forward(self, x): return nn.functional.scaled_dot_product_attention(*self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)).transpose(1, 2).flatten(2)
    model, x = nn.Sequential(Attend(), nn.Linear(8, 8)), torch.randn(2, 5, 8)
    model[0].__class__.__name__ = 'SomeAttention'
    with pytest.raises(ValueError, match='no family knows .*Attend; adapter registers one'): convert(model)
    adapter(Attend)(lambda module: Site(2, family='mine'))
    try:
        _, rows = convert(model, 'pure', example=x)
        assert rows[0].identity <= 1e-5 and rows[0].family == 'mine'
        wrong = copy.deepcopy(revert(model))
        adapter(Attend)(lambda module: Site(3))
        with pytest.raises(Exception): convert(wrong, 'pure', example=x)
        assert not any(map(is_converted, wrong.modules()))
    finally: del FAMILIES[full_name(Attend)]


def test_hooks_and_ties_stay():
    model, example = made(ROWS['timm ViT'])
    seen = []
    model.blocks[0].attn.register_forward_hook(lambda m, *_: seen.append(type(m)))
    model.blocks[1].attn.qkv.weight = model.blocks[0].attn.qkv.weight
    convert(model, 'linear')
    run(model, example)
    assert len(seen) == 1 and model.blocks[1].attn.qkv.weight is model.blocks[0].attn.qkv.weight
    with softmax(model): run(model, example)
    assert len(seen) == 2 and seen[0] is seen[1]


def test_import_brings_neither_timm_nor_transformers():
    code = "import infsa, infsa.models.convert, sys; print([m for m in ('timm', 'transformers', 'torchvision') if m in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'


def test_a_copy_in_a_new_process():
    "Classes made at run time, and the attention of Hugging Face that must be known before the first forward."
    code = '''
import pickle, sys, torch
model, example, want = pickle.load(open(sys.argv[1], 'rb'))
with torch.no_grad(): print(torch.equal(model(**example).last_hidden_state, want))'''
    import pickle, tempfile
    model, example = made(ROWS['Hugging Face BERT'])
    convert(model, 'pure')
    with tempfile.NamedTemporaryFile() as f, torch.no_grad():
        pickle.dump((model, example, model(**example).last_hidden_state), f); f.flush()
        out = subprocess.run([sys.executable, '-c', 'import torch; torch.set_num_threads(1)' + code, f.name], capture_output=True, text=True)
    assert out.stdout.strip() == 'True', out.stderr[-500:]


def test_save_pretrained_writes_what_loads_as_it_was(tmp_path):
    "As a trainer calls it, on a model within a model too; `from_pretrained` does not take the folder for softmax."
    from transformers import BertConfig, BertForSequenceClassification
    _, example = made(ROWS['Hugging Face BERT'])
    make = lambda: BertForSequenceClassification(BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64)).eval()
    model, _ = convert(make(), 'pure')
    model.save_pretrained(tmp_path, safe_serialization=True)
    with pytest.raises(OSError): BertForSequenceClassification.from_pretrained(tmp_path)
    from infsa import load_converted
    with torch.no_grad(): assert torch.equal(load_converted(make, tmp_path/'infsa.safetensors')(**example).logits, model(**example).logits)


def test_a_model_is_converted_by_command(tmp_path):
    from PIL import Image
    for i in range(70): Image.effect_noise((32, 32), 60 + i).convert('RGB').save(tmp_path/f'{i}.png')
    words = ['--model', 'timm:test_vit', '--img-size', 32, '--variant', 'pure', '--device', 'cpu']
    asked = [['--help'], [*words, '--calibrate', '.', '--first-weight', 1, '--out', 'a.safetensors'], [*words, '--out', 'a.safetensors'],
             [*words, '--calibrate', 'nowhere'], [*words, '--variant', 'pur'], [*words, '--weights', 'none.pth'],
             ['--model', 'timm:test_vit', '--layers', 'all'], [*words, '--exclude', 'blocks.9*'], words]
    helped, done, *wrong, dry = processes.run_each('infsa_convert', asked, tmp_path)
    assert helped.returncode == 0 and 'examples:' in helped.stdout and 'exit codes:' in helped.stdout
    assert done.returncode == 0 and '6 converted' in done.stdout and done.stderr == '', done
    assert 'blocks.5.attn' in (tmp_path/'a.html').read_text() and (tmp_path/'a.safetensors').stat().st_size > 1e6
    for r, said in zip(wrong, ('--force', 'nowhere', 'did you mean pure', 'none.pth', 'needs --calibrate', 'blocks.9*'), strict=True): processes.refused(r, said)
    assert dry.returncode == 0 and 'nothing is written' in dry.stdout


def test_rotated_gated_attention_is_calibrated_and_comes_back():
    timm = pytest.importorskip('timm')
    model = timm.create_model('eva02_tiny_patch14_224', img_size=28, depth=2, num_classes=3).eval()
    was = {n: p.detach().clone() for n, p in model.named_parameters()}
    model, report = convert(model, 'pure', calibrate=[torch.randn(100, 3, 28, 28) for _ in range(4)], first_weight=1.)
    assert [r.state for r in report] == ['converted']*2 and all(r.after < r.before for r in report)
    assert any(not torch.equal(p, was[n]) for n, p in model.named_parameters() if n in was)
    for n, p in revert(model).named_parameters(): assert torch.equal(p, was[n]), n
