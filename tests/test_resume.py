"A run that is killed, asked to stop or started twice, as processes."
import json, os, signal, subprocess, sys
from functools import partial

import pytest
from infsa.models.weights import load_model
from infsa.training.seen import read_history

from processes import ROOT, finish, refused, run, start, wait_until

infsa_train = partial(run, 'infsa_train')
SHORT = '--epochs', 2, '--warmup', 0.5, '--bs', 32, '--device', 'cpu', '--checkpoint-every', 1e-9


@pytest.fixture
def mini(made): return made(256, 60)


def ended(folder):
    "Weights of a finished run, and its history without the columns of the clock."
    weights = b''.join(t.numpy().tobytes() for t in load_model(folder/'model.safetensors').state_dict().values())
    return weights, read_history(folder/'history.csv')


@pytest.fixture(scope='module')
def calm(made, tmp_path_factory):
    tmp = tmp_path_factory.mktemp('calm')
    result = infsa_train('--data', made(256, 60), *SHORT, '--out', 'calm', cwd=tmp)
    assert result.returncode == 0, result.stderr
    return ended(tmp/'calm')


def test_a_killed_run_goes_on_to_the_same_end(tmp_path, mini, calm):
    out = tmp_path/'run'
    process = start('infsa_train', '--data', mini, *SHORT, '--num-workers', 2, '--out', 'run', cwd=tmp_path)
    wait_until(lambda: list(out.glob('checkpoints/epoch0001-batch000003-*')), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    refused(infsa_train('--data', mini, *SHORT, '--out', 'run', cwd=tmp_path), 'an unfinished run', '--resume run', '--force')
    newest = sorted(out.glob('checkpoints/*'))[-1]
    newest.write_bytes(newest.read_bytes()[:-7])
    result = infsa_train('--resume', 'run', cwd=tmp_path)
    assert result.returncode == 0 and f'{newest.name} is damaged' in result.stderr and 'the one before it is taken' in result.stderr, result
    assert ended(out) == calm


def test_sigterm_leaves_a_checkpoint_and_code_75(tmp_path, mini, calm):
    out = tmp_path/'run'
    args = ['--data', mini, *SHORT[:-2], '--out', 'run', '--checkpoint-every', 1000]
    process = start('infsa_train', *args, '--num-workers', 2, cwd=tmp_path)
    wait_until(lambda: (out/'history.csv').exists(), process)
    os.killpg(process.pid, signal.SIGTERM)  # as a cluster does: workers hear it too
    result = finish(process)
    assert result.returncode == 75 and result.stdout.strip().endswith('go on with infsa_train --resume run') and result.stderr == '', result
    assert not (out/'summary.json').exists()
    refused(infsa_train('--resume', 'run', '--lr', 0.25, '--seed', 3, cwd=tmp_path), 'lr 0.25 instead of 0.0015', 'seed 3 instead of 42')
    assert infsa_train('--resume', 'run', cwd=tmp_path).returncode == 0 and ended(out) == calm


def test_a_run_cannot_go_on_twice_at_once(tmp_path, mini, calm):
    out = tmp_path/'run'
    process = start('infsa_train', '--data', mini, *SHORT, '--out', 'run', cwd=tmp_path)
    wait_until(lambda: list(out.glob('checkpoints/epoch*')), process)
    process.send_signal(signal.SIGSTOP)  # it holds its lock, and does not end meanwhile
    refused(infsa_train('--resume', 'run', cwd=tmp_path), f'run is in use by process {process.pid} on ')
    process.send_signal(signal.SIGCONT)
    assert finish(process).returncode == 0 and ended(out) == calm


def test_two_runs_that_start_at_once_get_two_folders(tmp_path, mini):
    args = ['--data', mini, '--epochs', 1, '--warmup', 0, '--bs', 32, '--device', 'cpu']
    processes = [start('infsa_train', *args, '--lr', lr, cwd=tmp_path) for lr in (1e-3, 2e-3)]
    for p in processes: assert finish(p).returncode == 0
    assert {json.loads(f.read_text())['recipe']['lr'] for f in tmp_path.glob('runs/*/config.json')} == {1e-3, 2e-3}


def test_the_module_is_the_command(tmp_path):
    r = subprocess.run([sys.executable, '-m', 'infsa.training.run', '--model', 'vit'], cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True, text=True)
    assert r.returncode == 2 and 'unknown' in r.stderr.splitlines()[-1], r


def test_settings_of_another_run_are_taken_from_its_file(tmp_path, mini):
    args = ['--data', mini, '--epochs', 1, '--warmup', 0, '--bs', 32, '--device', 'cpu', '--set', 'depth=2']
    assert infsa_train(*args, '--out', 'a', cwd=tmp_path).returncode == 0
    assert infsa_train('--config', 'a/config.json', '--seed', 7, '--out', 'b', cwd=tmp_path).returncode == 0
    a, b = [json.loads((tmp_path/f/'config.json').read_text()) for f in 'ab']
    assert (b.pop('seed'), a.pop('seed')) == (7, 42) and a == b
