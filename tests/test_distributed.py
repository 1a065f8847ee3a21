"One training in several processes, as torchrun starts it."
import os, subprocess, sys

import pytest
import torch
from infsa.models.weights import load_model
from infsa.training.seen import read_history

from processes import LONG, ROOT

ARGS = '--epochs', 2, '--warmup', 0.5, '--bs', 32, '--device', 'cpu'


def trained(where, mini, *args, processes=1, env=()):
    "Weights and rows of a run by so many processes."
    by = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={processes}'] if processes > 1 else []
    full = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', MPLBACKEND='agg', **dict(env))
    data = ['--data', mini] if mini else []
    r = subprocess.run([sys.executable, *by, '-m', 'infsa.training.run', *map(str, [*data, *args])], cwd=where, env=full, capture_output=True, text=True, timeout=LONG)
    return r, where/'run'


def ended(out):
    return load_model(out/'model.safetensors').state_dict(), read_history(out/'history.csv')


def test_two_processes_train_what_one_trains(tmp_path, made):
    mini = made(200, 50)
    folders = []
    for n in (1, 2):
        where = tmp_path/str(n)
        where.mkdir()
        r, out = trained(where, mini, *ARGS, '--out', 'run', processes=n)
        assert r.returncode == 0, r.stderr
        assert sum(l.startswith('top-1') for l in r.stdout.splitlines()) == 1 and r.stdout.count('epoch 1,') == 1, r.stdout
        folders.append(out)
    (one, rows), (two, again) = map(ended, folders)
    # AdamW divides a gradient by its own size: where that is near rounding even the sign may differ, so the middle is asked here, and all of it in float64 below
    apart = torch.cat([(two[k] - one[k]).abs().flatten() for k in one])
    assert apart.median() < 1e-5
    for a, b in zip(rows, again, strict=True): assert a == pytest.approx(b, abs=1e-3), (a, b)


def test_a_run_of_two_goes_on_as_one(tmp_path, made):
    mini = made(200, 50)
    r, out = trained(tmp_path, mini, '--epochs', 1, *ARGS[2:], '--out', 'run', processes=2)
    assert r.returncode == 0, r.stderr
    r, _ = trained(tmp_path, None, '--resume', 'run', '--epochs', 2)
    assert r.returncode == 0 and 'learning rate follows the longer course' in r.stderr, r.stderr
    assert len(ended(out)[1]) == 2


def test_what_another_job_left_in_the_environment_does_no_harm(tmp_path, made):
    r, out = trained(tmp_path, made(200, 50), '--epochs', 1, '--warmup', 0, *ARGS[4:], '--out', 'run', env=dict(WORLD_SIZE='8', RANK='0'))
    assert r.returncode == 0 and 'one process trains' in r.stderr and (out/'summary.json').exists(), r.stderr


IN_DOUBLE = '''
import sys
from functools import partial
from pathlib import Path
import torch
from fastai.callback.core import Callback
from fastai.optimizer import OptimWrapper
from infsa.data.loaders import imagenet_dls
from infsa.models.vit import create_model
from infsa.training.distributed import rank, shared, together, world
from infsa.training.recipe import RECIPES, make_learner

class Double(Callback):
    def before_batch(self): self.learn.xb = [x.double() for x in self.xb]

with together('cpu'):
    dls = imagenet_dls(sys.argv[1], 32, 32//world(), crop_pct=1., progress=False, device='cpu', num_workers=0)
    for dl in dls.loaders: dl.rank, dl.world = rank(), world()
    torch.manual_seed(0)
    learner = make_learner(dls, create_model(sys.argv[2]).double(), RECIPES['mini'], Path('.'))
    learner.opt_func = lambda groups, lr: OptimWrapper(opt=torch.optim.SGD([p for g in groups for p in g], lr=lr))
    learner.add_cb(Double())
    learner.lr = 0.01  # small enough for rounding not to grow
    with learner.no_bar(), learner.no_logging(), shared(learner): learner.fit(2)
    if rank() == 0: torch.save((learner.model.state_dict(), [[float(v) for v in row] for row in learner.recorder.values]), sys.argv[3])
'''


@pytest.mark.parametrize('variant', ['linear', 'pure'])
def test_a_step_is_that_of_all_images_to_the_last_digits(tmp_path, made, variant):
    mini = made(200, 50)
    (tmp_path/'train.py').write_text(IN_DOUBLE)
    for n in (1, 2):
        by = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={n}'] if n > 1 else []
        r = subprocess.run([sys.executable, *by, 'train.py', str(mini), f'infvit_mini_{variant}', f'{n}.pt'], cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', MPLBACKEND='agg'),
                           capture_output=True, text=True, timeout=LONG)
        assert r.returncode == 0, r.stderr
    (one, rows), (two, again) = (torch.load(tmp_path/f'{n}.pt', weights_only=True) for n in (1, 2))
    # twelve steps of gradient descent in float64, whose size would show a sum in place of a mean; rounding is 1e-16, a thousand of it are allowed
    for name, w in one.items(): torch.testing.assert_close(two[name], w, rtol=0, atol=1e-13, msg=name)
    # of validation: all images once; the loss of training is the mean over processes of a smoothed one, in float32
    for a, b in zip(rows, again, strict=True): assert a[1:] == pytest.approx(b[1:], abs=1e-6) and a[0] == pytest.approx(b[0], abs=1e-5), (a, b)
