"The command `infsa_data` as a user meets it, and what it writes as data of `infsa_train`."
import json, os, shutil, signal
from functools import partial

import pytest

from processes import finish, refused, run, run_each, start, wait_until

infsa_data = partial(run, 'infsa_data')


@pytest.fixture
def mini(made): return made(60, 20)


def test_help_shows_examples(tmp_path):
    result = infsa_data('--help', cwd=tmp_path)
    assert result.returncode == 0 and 'examples:' in result.stdout and 'exit codes:' in result.stdout
    assert result.stderr == ''


def test_a_whole_set_is_found_whole(tmp_path, mini):
    result = infsa_data('verify', mini, '--json', 'found.json', cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == '' and '\r' not in result.stdout, result
    found = json.loads((tmp_path/'found.json').read_text())
    assert (found['train'], found['val'], found['classes'], found['findings']) == (60, 20, 10, [])


def test_what_is_wrong_is_named_and_makes_the_code_1(tmp_path, mini):
    data = tmp_path/'data'
    shutil.copytree(mini, data)
    a, b, *_ = sorted(data.rglob('train/*/*.JPEG'))
    a.write_bytes(b'not an image')
    strict, allowed = run_each('infsa_data', [['verify', data, '--json', 'found.json'], ['verify', data, '--allow', 'unreadable']], tmp_path)
    assert strict.returncode == 1 and a.name in strict.stdout and 'Traceback' not in strict.stderr, strict
    assert allowed.returncode == 0
    assert [r['finding'] for r in json.loads((tmp_path/'found.json').read_text())['findings']] == ['unreadable']


@pytest.mark.parametrize('kind', ['tars', 'parquet', 'shards'])
def test_a_packed_set_trains_as_it_is(tmp_path, mini, kind):
    written = infsa_data('write', mini, '--as', kind, '--out', kind, cwd=tmp_path)
    assert written.returncode == 0 and written.stdout.startswith(f'{kind}: 60 train and 20 val images of 10 classes'), written
    trained = run('infsa_train', '--data', kind, '--epochs', 1, '--warmup', 0, '--bs', 20, '--out', 'run', '--num-workers', 1, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path/'run'/'summary.json').exists()


def test_mistakes_get_one_line_and_code_2(tmp_path, mini):
    (tmp_path/'full').mkdir()
    (tmp_path/'full'/'a').touch()
    mistakes = [
        ([], 'what'),
        (['verify', 'nowhere'], 'nowhere is not a folder'),
        (['verify', '.'], 'holds no ImageNet'),
        (['verify', mini, '--out', 'x'], '--out belongs to infsa_data write'),
        (['verify', mini, '--json', 'no/x.json'], 'no folder no'),
        (['verify', mini, '--max-pixels', 0], 'max_pixels=0'),
        (['write', mini, '--as', 'zip', '--out', 'x'], 'zip'),
        (['write', mini, '--out', 'x'], '--as'),
        (['write', mini, '--as', 'tars'], '--out'),
        (['write', mini, '--as', 'tars', '--out', 'full'], 'not an empty folder'),
        (['write', mini, '--as', 'shards', '--out', 'x', '--per-file', 0], 'per_file=0'),
    ]
    for result, (_, word) in zip(run_each('infsa_data', [args for args, _ in mistakes], tmp_path), mistakes): refused(result, word)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['full']


def test_without_pyarrow_the_extra_is_named(tmp_path, mini):
    hidden = 'import sys; sys.modules["pyarrow"] = sys.modules["pyarrow.parquet"] = None; '
    refused(finish(start('infsa_data', 'write', mini, '--as', 'parquet', '--out', 'x', cwd=tmp_path, before=hidden)), "pip install 'infsa-notebooks[data]'")


def test_ctrl_c_leaves_nothing_half_written(tmp_path, made):
    process = start('infsa_data', 'write', made(256, 60), '--as', 'folders', '--out', 'out', cwd=tmp_path,
                    before='import infsa.data.check as c, time; put = c._put; c._put = lambda *a: (put(*a), time.sleep(1)); ')
    wait_until(lambda: any(tmp_path.rglob('*.JPEG')), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    result = finish(process)
    assert result.returncode == 130 and result.stderr == 'infsa_data: interrupted; nothing is written\n', result
    assert not list(tmp_path.iterdir())
