"The command `infsa_train` as a user meets it: a process with arguments, an exit code and files."
import json, os, signal, subprocess, sys, time

import pytest

RUN = [sys.executable, '-c', 'import sys; from infsa.train import main; sys.exit(main())']


@pytest.fixture(scope='module')
def mini(tmp_path_factory):
    from infsa.data import mini_imagenet
    return mini_imagenet(tmp_path_factory.mktemp('data'), n_train=256, n_valid=60, progress=False)


def infsa_train(*args, cwd):
    return subprocess.run(RUN + [str(a) for a in args], cwd=cwd, capture_output=True, text=True, timeout=300)


def refused(result, *words):
    "Whether the command ended as on a user's mistake: code 2, one line of reason, no traceback."
    assert result.returncode == 2, result.stderr
    assert 'Traceback' not in result.stderr
    for word in words: assert word in result.stderr, result.stderr


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


@pytest.mark.parametrize('args, word', [
    (['--model', 'infvit_mini_liner'], 'infvit_mini_linear'),
    (['--data', 'nowhere'], 'nowhere'),
    (['--data', '.'], 'train'),
    (['--epochs', 'three'], 'three'),
    (['--device', 'nonsense'], 'nonsense'),
    (['--recipes', 'mini'], '--recipes'),
])
def test_mistakes_get_one_line_and_code_2(args, word, tmp_path):
    refused(infsa_train(*args, cwd=tmp_path), word)


def test_unreadable_image_is_named_or_skipped(tmp_path, mini):
    import shutil
    data = tmp_path/'data'
    shutil.copytree(mini, data)
    bad = sorted(data.rglob('train/*/*.JPEG'))[3]
    bad.write_bytes(b'not an image')
    args = ['--data', data, '--epochs', 1, '--warmup', 0, '--bs', 32]
    refused(infsa_train(*args, '--out', 'a', cwd=tmp_path), bad.name)
    assert not (tmp_path/'a').exists()
    result = infsa_train(*args, '--out', 'b', '--skip-bad', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path/'b'/'summary.json').read_text())['skipped_images'] == 1


def test_ctrl_c_keeps_what_was_done(tmp_path, mini):
    process = subprocess.Popen(RUN + ['--data', str(mini), '--epochs', '500', '--out', 'run'], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    history, deadline = tmp_path/'run'/'history.csv', time.time() + 120
    while time.time() < deadline and not (history.exists() and len(history.read_text().splitlines()) > 2): time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert 'Traceback' not in err and 'interrupted' in out
    kept = json.loads((tmp_path/'run'/'interrupted.json').read_text())
    refused(infsa_train('--data', mini, '--epochs', 1, '--warmup', 0, '--out', 'run', cwd=tmp_path), 'an interrupted run', '--force')
    assert kept['epochs'] >= 2 and not (tmp_path/'run'/'summary.json').exists() and (tmp_path/'run'/'model.safetensors').exists()


def test_nan_stops_training_with_code_1(tmp_path, mini):
    result = infsa_train('--data', mini, '--epochs', 3, '--warmup', 0, '--lr', 1e30, '--clip', 0, '--bs', 16, '--out', 'run', cwd=tmp_path)
    assert result.returncode == 1 and 'learning rate' in result.stderr and 'Traceback' not in result.stderr, result.stderr
    assert not (tmp_path/'run'/'summary.json').exists()
