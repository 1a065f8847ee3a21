"Kernels where there is no GPU: they compile for two generations without spilling, and operators start few of them."
import importlib.util, json, os, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(importlib.util.find_spec('triton') is None, reason='Triton is not installed')


def run(*args):
    env = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'}  # what interprets does not compile
    return subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, env=env)


def test_kernels_compile_without_spilling():
    r = run(ROOT/'tools'/'check_kernels.py', '--out', '')
    assert r.returncode == 0, r.stdout + r.stderr


@pytest.fixture(scope='module')
def counts(tmp_path_factory):
    "Launches by variant, form, images, tokens and whether gradients are taken."
    file = tmp_path_factory.mktemp('counts')/'launches.json'
    r = run(ROOT/'tools'/'count_launches.py', '--out', file)
    assert r.returncode == 0, r.stdout + r.stderr
    rows = json.loads(file.read_text())['rows']
    assert not any(r['syncs'] for r in rows)
    return {(r['what'], r['variant'], r['kernels'], r['batch'], r['tokens'], r['backward']): r['launches'] for r in rows}


@pytest.mark.parametrize('tokens', [197, 1025, 4097, 16385])
@pytest.mark.parametrize('batch', [1, 128])
def test_a_layer_starts_few_kernels(counts, batch, tokens):
    "As many at every size: tiles of a GPU are large, and fused kernels have none. A million tokens fill a tile of `linear`."
    assert counts['layer', 'linear', 'triton', batch, tokens, False] <= (60 if batch*tokens <= 2**20 else 75)
    assert counts['layer', 'pure', 'triton', batch, tokens, False] <= 20 and counts['layer', 'pure', 'triton', batch, tokens, True] <= 60
    if batch == 1: assert counts['layer', 'pure', 'torch', batch, tokens, True] <= 200


def test_a_training_step_starts_hardly_more_than_one_of_softmax(counts):
    step = {v: counts['training step', v, 'triton', 128, 197, True] for v in ('softmax', 'pure', 'linear')}
    assert step['pure'] <= 1.5*step['softmax'] and step['linear'] <= 2*step['softmax'], step
