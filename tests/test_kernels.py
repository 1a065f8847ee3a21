"Kernels where there is no GPU: they compile for two generations without spilling, and operators start few of them."
import importlib.util, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(importlib.util.find_spec('triton') is None, reason='Triton is not installed')


def test_kernels_compile_without_spilling():
    r = subprocess.run([sys.executable, ROOT/'tools'/'check_kernels.py', '--quick', '--out', ''], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


@pytest.fixture(scope='module')
def count():
    spec = importlib.util.spec_from_file_location('count_launches', ROOT/'tools'/'count_launches.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.set_kernels('auto')


def counted(count, variant, form, batch, tokens):
    count.set_kernels('torch' if form == 'torch' else 'auto')
    with count.patch.dict(count.TILES, cpu=count.TILES['gpu']):
        forward, both = (count.layer(variant, batch, tokens, b) for b in (False, True))
    assert forward['syncs'] == both['syncs'] == 0
    return forward['launches'], both['launches']


@pytest.mark.parametrize('tokens', [197, 1025, 4097, 16385])
@pytest.mark.parametrize('batch', [1, 128])
def test_a_layer_starts_few_kernels(count, batch, tokens):
    "As many at every size: tiles of a GPU are large, and fused kernels have none. A million tokens fill a tile of linear."
    linear, _ = counted(count, 'linear', 'triton', batch, tokens)
    fused, with_backward = counted(count, 'pure', 'triton', batch, tokens)
    assert linear <= (60 if batch*tokens < 2**20 else 75) and fused <= 20 and with_backward <= 65
    if batch == 1: assert counted(count, 'pure', 'torch', batch, tokens)[1] <= 210


def test_a_training_step_of_pure_starts_hardly_more_than_one_of_softmax(count):
    with count.patch.dict(count.TILES, cpu=count.TILES['gpu']):
        step = {v: count.step(v)['launches'] for v in ('softmax', 'pure', 'linear')}
    assert step['pure'] <= 1.5*step['softmax'] and step['linear'] <= 2*step['softmax'], step
