"The command `infsa_train` as a user meets it: a process with arguments, an exit code and files."
import json, os, signal
from functools import partial

import pytest

from processes import finish, refused, run, run_each, start, wait_until

infsa_train = partial(run, 'infsa_train')


@pytest.fixture
def mini(made): return made(256, 60)


def test_help_shows_examples(tmp_path):
    result = infsa_train('--help', cwd=tmp_path)
    assert result.returncode == 0 and 'examples:' in result.stdout and '--label-smoothing' in result.stdout
    assert result.stderr == ''


def test_a_run_leaves_its_files_and_is_not_overwritten(tmp_path, mini):
    args = ['--data', mini, '--epochs', 1, '--warmup', 0, '--out', 'run']
    result = infsa_train(*args, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    run = tmp_path/'run'
    summary = json.loads((run/'summary.json').read_text())
    assert f'top-1 {summary["accuracy"]:.1%}' in result.stdout and result.stdout.strip().endswith('run')
    assert result.stdout.startswith('epoch 1, train_loss') and '\r' not in result.stdout  # no bars in a pipe
    for name in ('config.json', 'history.csv', 'model.safetensors', 'curves.png', 'attention.png'): assert (run/name).stat().st_size > 100, name
    before = (run/'model.safetensors').read_bytes()
    refused(infsa_train(*args, cwd=tmp_path), '--force')
    assert (run/'model.safetensors').read_bytes() == before


def test_mistakes_get_one_line_and_code_2(tmp_path):
    mistakes = [
        (['--model', 'infvit_mini_liner'], 'infvit_mini_linear'),
        (['--data', 'nowhere'], 'nowhere'),
        (['--data', '.'], 'train'),
        (['--epochs', 'three'], 'three'),
        (['--device', 'nonsense'], 'nonsense'),
        (['--recipes', 'mini'], '--recipes'),
    ]
    for result, (_, word) in zip(run_each('infsa_train', [args for args, _ in mistakes], tmp_path), mistakes): refused(result, word)


def test_unreadable_image_is_named_or_skipped(tmp_path, mini):
    import shutil
    data = tmp_path/'data'
    shutil.copytree(mini, data)
    bad = sorted(data.rglob('train/*/*.JPEG'))[3]
    bad.write_bytes(b'not an image')
    args = ['--data', data, '--epochs', 1, '--warmup', 0, '--bs', 32]
    strict, result = run_each('infsa_train', [[*args, '--out', 'a'], [*args, '--out', 'b', '--skip-bad']], tmp_path)
    refused(strict, bad.name)
    assert not (tmp_path/'a').exists()
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path/'b'/'summary.json').read_text())['skipped_images'] == 1


@pytest.mark.parametrize('more', [[], ['--num-workers', 1]], ids=['alone', 'with workers'])
def test_ctrl_c_keeps_what_was_done(tmp_path, mini, more):
    process, history = start('infsa_train', '--data', mini, '--epochs', 100_000, '--out', 'run', *more, cwd=tmp_path), tmp_path/'run'/'history.csv'
    wait_until(lambda: history.exists() and len(history.read_text().splitlines()) > 2, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    result = finish(process)
    assert result.returncode == 130 and result.stderr == '' and 'interrupted' in result.stdout, result
    kept = json.loads((tmp_path/'run'/'interrupted.json').read_text())
    refused(infsa_train('--data', mini, '--epochs', 1, '--warmup', 0, '--out', 'run', cwd=tmp_path), 'an interrupted run', '--force')
    assert kept['epochs'] >= 2 and not (tmp_path/'run'/'summary.json').exists() and (tmp_path/'run'/'model.safetensors').exists()


def test_a_dry_run_writes_nothing(tmp_path, mini):
    result = infsa_train('--data', mini, '--dry-run', '--epochs', 1, '--bs', 32, '--device', 'cpu', cwd=tmp_path)
    assert result.returncode == 0 and not list(tmp_path.iterdir()), result
    images, steps, memory, hours = result.stdout.splitlines()
    assert images == '256 training images, 60 validation images, 10 classes'
    assert steps == '8 steps of 32 images an epoch, 8 in all'
    assert memory.startswith('cpu in float32, peak memory') and hours.endswith('nothing was written')
    assert result.stderr == 'infsa_train: note: the warm-up is shortened to 0.0625 epochs; --warmup sets another length\n'


def test_a_log_interval_is_one_line_each_and_the_same_training(tmp_path, mini):
    args = ['--data', mini, '--epochs', 1, '--warmup', 0, '--bs', 32, '--device', 'cpu']
    plain, told = run_each('infsa_train', [[*args, '--out', 'a'], [*args, '--out', 'b', '--log-every', 4]], tmp_path)
    assert (plain.returncode, told.returncode) == (0, 0), told.stderr
    assert [l.split(', ')[1] for l in told.stdout.splitlines()[:2]] == ['batch 4 of 8', 'batch 8 of 8']
    a, b = [json.loads((tmp_path/f/'summary.json').read_text()) for f in 'ab']
    assert (a['train_loss'], a['accuracy']) == (b['train_loss'], b['accuracy'])


def test_nan_is_named_between_two_looks(tmp_path, mini):
    result = infsa_train('--data', mini, '--epochs', 3, '--warmup', 0, '--lr', 1e30, '--clip', 0, '--bs', 16, '--out', 'run', '--log-every', 5, cwd=tmp_path)
    assert result.returncode == 1 and '(seen at step' in result.stderr and 'Traceback' not in result.stderr, result.stderr


def test_nan_stops_training_with_code_1(tmp_path, mini):
    result = infsa_train('--data', mini, '--epochs', 3, '--warmup', 0, '--lr', 1e30, '--clip', 0, '--bs', 16, '--out', 'run', cwd=tmp_path)
    assert result.returncode == 1 and 'learning rate' in result.stderr and 'Traceback' not in result.stderr, result.stderr
    assert not (tmp_path/'run'/'summary.json').exists()
