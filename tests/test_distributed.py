"One training in several processes, as torchrun starts it."
import os, signal, socket, subprocess, sys
from itertools import product

import pytest
import torch
from infsa.models.weights import load_model
from infsa.training.seen import read_history

from processes import LONG, ROOT, finish, start, wait_until

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


@pytest.fixture(scope='module')
def two(made, tmp_path_factory):
    "The folder of a run by two processes that nothing disturbs."
    where = tmp_path_factory.mktemp('two')
    r, out = trained(where, made(200, 50), *ARGS, '--out', 'run', processes=2)
    assert r.returncode == 0, r.stderr
    assert sum(l.startswith('top-1') for l in r.stdout.splitlines()) == 1 and r.stdout.count('epoch 1,') == 1, r.stdout
    return out


def test_two_processes_train_what_one_trains(tmp_path, made, two):
    r, out = trained(tmp_path, made(200, 50), *ARGS, '--out', 'run')
    assert r.returncode == 0, r.stderr
    (one, rows), (two, again) = ended(out), ended(two)
    # AdamW divides a gradient by its own size: where that is near rounding even the sign may differ, so the middle is asked here, and all of it in float64 below
    apart = torch.cat([(two[k] - one[k]).abs().flatten() for k in one])
    assert apart.median() < 1e-5
    for a, b in zip(rows, again, strict=True): assert a == pytest.approx(b, abs=1e-3), (a, b)


FAILS = """import os
from infsa.training.recipe import StopOnNonFinite as S
def after_loss(self):
    if (self.epoch, self.iter) == (1, 2): raise ValueError('this rank is out of luck')
if os.environ['RANK'] == '1': S.after_loss = after_loss
"""


def by_two(where, *args, before=''):
    "Two processes as Slurm starts them: nobody ends the one when the other is gone."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = str(s.getsockname()[1])
    told = dict(WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=port, OMP_NUM_THREADS='1')
    return [start('infsa_train', *args, cwd=where, before=f'exec({before!r}); ', RANK=r, LOCAL_RANK=r, **told) for r in '01']


def test_a_process_that_dies_ends_the_run_which_goes_on_to_the_same_end(tmp_path, made, two):
    out, kept = tmp_path/'run', ('--checkpoint-every', 1e-9)
    first, second = by_two(tmp_path, '--data', made(200, 50), *ARGS, *kept, '--num-workers', 1, '--out', 'run')
    wait_until(lambda: list(out.glob('checkpoints/epoch0000-batch000002-*')), first)
    second.kill()
    assert finish(second).returncode == -signal.SIGKILL
    r = finish(first)
    said = r.stderr.splitlines()
    assert r.returncode == 1 and 'another process of this training ended' in said[-1] and 'the last checkpoint is run/checkpoints/epoch000' in said[-1], r
    assert 'Traceback' not in r.stderr, r.stderr
    first, second = map(finish, by_two(tmp_path, '--resume', 'run', before=FAILS))
    assert (second.returncode, second.stderr) == (2, 'infsa_train: this rank is out of luck\n'), second
    assert first.returncode == 1 and 'another process of this training ended' in first.stderr, first
    for r in map(finish, by_two(tmp_path, '--resume', 'run')): assert r.returncode == 0, r
    (weights, rows), (calm, expected) = ended(out), ended(two)
    assert rows == expected
    for k in calm: assert torch.equal(weights[k], calm[k]), k


def test_a_run_of_two_goes_on_as_one(tmp_path, made):
    mini = made(200, 50)
    r, out = trained(tmp_path, mini, '--epochs', 1, *ARGS[2:], '--shard', '--out', 'run', processes=2)
    assert r.returncode == 0, r.stderr
    r, _ = trained(tmp_path, None, '--resume', 'run', '--epochs', 2)
    assert r.returncode == 0 and 'learning rate follows the longer course' in r.stderr, r.stderr
    assert len(ended(out)[1]) == 2


def test_what_another_job_left_in_the_environment_does_no_harm(tmp_path, made):
    r, out = trained(tmp_path, made(200, 50), '--epochs', 1, '--warmup', 0, *ARGS[4:], '--out', 'run', env=dict(WORLD_SIZE='8', RANK='0'))
    assert r.returncode == 0 and 'one process trains' in r.stderr and (out/'summary.json').exists(), r.stderr


IN_DOUBLE = '''
import sys
from pathlib import Path
import torch
from fastai.callback.core import Callback
from fastai.optimizer import OptimWrapper
from infsa.data.loaders import imagenet_dls
from infsa.models.vit import create_model
from infsa.training.checkpoint import keep_checkpoints, last_checkpoint
from infsa.training.distributed import launched, rank, shared, together, world
from infsa.training.recipe import RECIPES, make_learner

class Double(Callback):
    def before_batch(self): self.learn.xb = [x.double() for x in self.xb]

class Gone(Exception): pass
class Leave(Callback):
    order = 99  # when the checkpoint of the step is written
    def after_batch(self):
        if self.training and (self.epoch, self.iter) == (1, 2): raise Gone('now')

def train(name, begun=None, leave=False, shard=False, variant=None):
    if variant is None: return [train(f'{v} {name}', begun and f'{v} {begun}', leave, shard, v) for v in ('linear', 'pure')]
    state = begun and last_checkpoint(begun)[1]
    assert not begun or (state['epoch'], state['batch']) == (1, 3)
    dls = imagenet_dls(sys.argv[1], 32, 32//world(), crop_pct=1., progress=False, device='cpu', num_workers=0)
    for dl in dls.loaders: dl.rank, dl.world = rank(), world()
    torch.manual_seed(0)
    learner = make_learner(dls, create_model(f'infvit_mini_{variant}').double(), RECIPES['mini'], Path('.'))
    learner.opt_func = lambda groups, lr: OptimWrapper(opt=torch.optim.SGD([p for g in groups for p in g], lr=lr, momentum=0.9))
    learner.add_cbs([Double(), *[Leave()]*leave])
    learner.lr = 0.01  # small enough for rounding not to grow
    keep_checkpoints(learner, name, state, every=1e-9 if leave else 1e9)
    with learner.no_bar(), learner.no_logging(), shared(learner, shard):
        try: learner.fit(2)
        except Gone: return
    if rank() == 0: torch.save((learner.model.state_dict(), [[float(v) for v in row] for row in learner.recorder.values]), name + '.pt')

first = launched()['RANK'] == '0'
if first:
    train('one')
    train('left by one', leave=True)
with together('cpu'):
    train('two')
    train('left by two', leave=True)
    train('one then two', 'left by one')
    train('shared out', shard=True)
    train('left shared out', leave=True, shard=True)
    train('one then shared out', 'left by one', shard=True)
if first:
    train('two then one', 'left by two')
    train('shared out then one', 'left shared out')
'''


def test_a_step_is_that_of_all_images_to_the_last_digits(tmp_path, made):
    (tmp_path/'train.py').write_text(IN_DOUBLE)
    r = subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', 'train.py', str(made(200, 50))], cwd=tmp_path,
                       env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', MPLBACKEND='agg'), capture_output=True, text=True, timeout=LONG)
    assert r.returncode == 0, r.stderr
    for variant, name in product(('linear', 'pure'), ('two', 'two then one', 'one then two', 'shared out', 'one then shared out', 'shared out then one')):
        (one, rows), (weights, again) = (torch.load(tmp_path/f'{variant} {n}.pt', weights_only=True) for n in ('one', name))
        # twelve steps of gradient descent in float64, whose size would show a sum in place of a mean; rounding is 1e-16, a thousand of it are allowed
        for k, w in one.items(): torch.testing.assert_close(weights[k], w, rtol=0, atol=1e-13, msg=f'{variant} {name}: {k}')
        # of validation: all images once; losses are smoothed in float32
        for a, b in zip(rows, again, strict=True): assert a == pytest.approx(b, abs=1e-6), (variant, name, a, b)
