"Runs of the command that log to TensorBoard and to Weights & Biases, without a network."
import json
from functools import partial

import pytest

from processes import run

infsa_train = partial(run, 'infsa_train')


def test_both_logs_of_a_run_that_goes_on(tmp_path, made):
    pytest.importorskip('wandb')
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    offline = dict(WANDB_MODE='offline', WANDB_SILENT='true')
    args = ['--data', made(256, 60), '--warmup', 0, '--bs', 32, '--device', 'cpu', '--log', 'tensorboard', '--log', 'wandb', '--log-every', 4]
    first = infsa_train(*args, '--epochs', 1, '--out', 'run', cwd=tmp_path, **offline)
    assert first.returncode == 0, first.stderr
    again = infsa_train('--resume', 'run', '--epochs', 2, cwd=tmp_path, **offline)
    assert again.returncode == 0, again.stderr
    out = tmp_path/'run'
    events = accumulator.EventAccumulator(str(out/'tensorboard')).Reload()
    for name in ('train_loss', 'grad_norm', 'images_per_second'): assert [e.step for e in events.Scalars(name)] == [4, 8, 12, 16], name
    accuracy = [e.value for e in events.Scalars('accuracy')]
    assert len(accuracy) == 2 and accuracy[-1] == pytest.approx(json.loads((out/'summary.json').read_text())['accuracy'])
    assert len(list(out.glob('wandb/offline-run-*/run-*.wandb'))) == 2 and json.loads((out/'config.json').read_text())['log'] == ['tensorboard', 'wandb']
