"The comparison with the authors' release, on a package with its names made here, and what the distribution says of itself."
import json, re, subprocess, sys
from configparser import ConfigParser
from pathlib import Path

import pytest, yaml

from processes import refused

ROOT = Path(__file__).resolve().parent.parent

CORE = '''
import torch
def pure_infsa_scores(q, k, rho=0.95, eps=1e-6):
    A = (q @ k.mT/q.shape[-1]).relu()
    return rho*A/(A.flatten(-2).norm(dim=-1)[..., None, None] + eps)
def linear_infsa_scores(q, k, rho=0.95, eps=1e-6):
    q, k = (t/q.shape[-1]**0.5 for t in (q, k))
    e = q.norm(dim=-1, keepdim=True)
    a = (k @ ((e*q).sum(-2, keepdim=True)/(e.sum(-2, keepdim=True) + eps)).mT).relu()
    return rho*a/(a.sum(-2, keepdim=True) + eps)
def infsa_attention(q, k, v, variant='pure_infsa', rho=0.95):
    if variant == 'pure_infsa': return pure_infsa_scores(q, k, rho) @ v
    return (linear_infsa_scores(q, k, rho)*v).sum(-2, keepdim=True).expand_as(v)
'''
ATTENTION = '''
import torch
from torch import nn
from infsa.core import infsa_attention
class InfSAAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, variant='pure_infsa'):
        super().__init__()
        self.H, self.variant, self.rho_logit = num_heads, variant, nn.Parameter(torch.tensor(3.))
        for n in ('q', 'k', 'v', 'out'): setattr(self, f'{n}_proj', nn.Linear(embed_dim, embed_dim))
    def forward(self, query, key, value, key_padding_mask=None, attn_mask=None, is_causal=False, need_weights=False):
        from infsa.core import infsa_attention as again
        assert again is infsa_attention
        q, k, v = (p(x).unflatten(-1, (self.H, -1)).transpose(1, 2) for p, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value)))
        return self.out_proj(again(q, k, v, self.variant, self.rho_logit.sigmoid().item()).transpose(1, 2).flatten(2)), None
'''


@pytest.fixture
def checkout(tmp_path):
    "A package with the names of the release."
    (there := tmp_path/'theirs'/'infsa').mkdir(parents=True)
    for name, code in (('__init__', "from infsa.attention import InfSAAttention\nfrom infsa.core import infsa_attention\n"), ('core', CORE), ('attention', ATTENTION), ('convert', '')):
        (there/f'{name}.py').write_text(code)
    return there.parent


def beside(*args, cwd): return subprocess.run([sys.executable, ROOT/'tools/beside_release.py', *map(str, args)], cwd=cwd, capture_output=True, text=True)


def test_both_packages_in_one_process(tmp_path, checkout):
    result = beside(checkout, '--small', '--only', 'parity', 'masks', 'discount', 'half_types', '--out', 'found.json', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path/'found.json').read_text())
    worst = {(r['variant'], r['dtype']): max(v for v in r.values() if isinstance(v, float)) for r in found['parity']['rows']}
    assert worst['pure', 'float64'] < 1e-13 and worst['linear', 'float64'] < 1e-4 and worst['pure', 'float32'] < 1e-5
    assert set(found['masks']['pure, theirs'].values()) == {0.} and min(found['masks']['pure, ours'].values()) > 0.1
    assert not found['discount']['pure, theirs']['gradient'] and found['discount']['linear, ours']['gradient']
    assert all(r['ours']['out'] < 1e-2 for r in found['half_types']['rows']) and found['release'] is None
    assert not list(checkout.rglob('__pycache__'))  # their files stay as they are


def test_mistakes_get_one_line(tmp_path, checkout):
    assert 'examples:' in beside('--help', cwd=tmp_path).stdout
    refused(beside('nowhere', cwd=tmp_path), 'PATH', 'nowhere')
    refused(beside(tmp_path, cwd=tmp_path), 'no checkout of the release')
    refused(beside(checkout, '--only', 'maks', cwd=tmp_path), 'did you mean masks')
    refused(beside(checkout, '--out', 'none/found.json', cwd=tmp_path), 'no folder none')
    refused(beside(cwd=tmp_path), 'PATH')


def test_the_distribution_has_one_name_and_one_version():
    ini = ConfigParser(delimiters=['='], interpolation=None)
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    cfg, citation = ini['DEFAULT'], yaml.safe_load((ROOT/'CITATION.cff').read_text())
    assert (citation['version'], citation['title'], citation['cff-version']) == (cfg['version'], cfg['repo'], '1.2.0')
    assert citation['repository-code'] == cfg['git_url'] and citation['authors'] == [{'name': cfg['author']}]
    assert (ROOT/cfg['lib_path']/'py.typed').is_file() and 'settings.ini' in (ROOT/'MANIFEST.in').read_text()
    wrong = [f'{f.name}: {m}' for f in (ROOT/'infsa').rglob('*.py') for m in re.findall(r'pip install \S+\[\w+\]', f.read_text()) if cfg['lib_name'] + '[' not in m]
    assert not wrong
