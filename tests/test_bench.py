"The command `infsa_bench` as a user meets it: a process with arguments, an exit code and files."
import csv, json, os, signal
from functools import partial
from pathlib import Path

from processes import finish, refused, run, run_each, start, wait_until

infsa_bench = partial(run, 'infsa_bench')
SMALL = ['--dim', '32', '--heads', '4', '--threads', '1', '--rounds', '2']


def test_help_shows_examples(tmp_path):
    result = infsa_bench('--help', cwd=tmp_path)
    assert result.returncode == 0 and 'examples:' in result.stdout and '--memory-budget' in result.stdout and 'linear_stream' in result.stdout
    assert result.stderr == ''


def test_mistakes_get_one_line_and_code_2(tmp_path):
    mistakes = [(['--rows', 'sofmax'], 'softmax'), (['--device', 'nonsense'], "device 'nonsense'"), (['--time-budget', 'soon'], 'soon')]
    for result, (_, word) in zip(run_each('infsa_bench', [args for args, _ in mistakes], tmp_path), mistakes):
        refused(result, word)
        assert result.stdout == ''
    assert not any(tmp_path.iterdir())


def test_a_run_leaves_its_files_and_is_not_overwritten(tmp_path):
    args = ['--rows', 'linear', 'softmax', '--tokens', 16, *SMALL, '--out', 'race']
    result = infsa_bench(*args, cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == '', result.stderr
    assert result.stdout.startswith('1/2 linear, 16: ') and result.stdout.strip().endswith('speedup.png are in race') and '\r' not in result.stdout
    report = json.loads((tmp_path/'race'/'bench.json').read_text())
    with open(tmp_path/'race'/'bench.csv') as f: rows = list(csv.DictReader(f))
    assert report['finished'] and [(r['row'], r['status']) for r in rows] == [('linear', 'ok'), ('softmax', 'ok')]
    assert [r['seconds'] for r in rows] == [str(r['seconds']) for r in report['rows']]
    for name in ('time.png', 'memory.png', 'speedup.png'): assert (tmp_path/'race'/name).read_bytes().startswith(b'\x89PNG'), name
    again = infsa_bench(*args, cwd=tmp_path)
    refused(again, '--force')


def test_ctrl_c_keeps_rows_that_are_done(tmp_path):
    many = [str(n) for n in range(16, 400)]
    process, table = start('infsa_bench', '--rows', 'linear', '--tokens', *many, *SMALL, '--out', 'race', cwd=tmp_path), tmp_path/'race'/'bench.csv'
    wait_until(lambda: table.exists() and len(table.read_text().splitlines()) > 1, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the process of the case is hit too
    result = finish(process)
    assert result.returncode == 130 and result.stderr == '', result
    assert result.stdout.splitlines()[-1].startswith('interrupted; what was done: bench.json, bench.csv')
    report = json.loads((tmp_path/'race'/'bench.json').read_text())
    assert not report['finished'] and report['rows'][0]['status'] == 'ok' and len(table.read_text().splitlines()) == 1 + len(report['rows'])


HIDDEN = "sys.modules.update(dict.fromkeys(('fastai', 'fastcore', 'fastprogress', 'matplotlib', 'sklearn', 'timm'))); "


def test_a_machine_with_torch_alone_runs_race_and_stream(tmp_path):
    result = infsa_bench('--rows', 'linear', '--tokens', 16, *SMALL, '--out', 'race', cwd=tmp_path, before=HIDDEN)
    assert result.returncode == 0 and result.stderr == '', result.stderr
    assert {f.name for f in (tmp_path/'race').iterdir()} == {'bench.json', 'bench.csv'}
    report = json.loads((tmp_path/'race'/'bench.json').read_text())
    assert report['rows'][0]['status'] == 'ok'
    stream = run('infsa_stream', '--model', 'infvit_mini_linear', '--size', 32, '--threads', 1, '--out', 'stream.json', cwd=tmp_path, before=HIDDEN)
    assert stream.returncode == 0 and stream.stderr == '', stream.stderr
    assert json.loads((tmp_path/'stream.json').read_text())['finite']


def test_the_suite_runs_in_its_small_form_with_torch_alone(tmp_path):
    result = infsa_bench('--suite', 'gpu', '--tiny', '--minutes', 600, '--device', 'cpu', '--out', 'suite', cwd=tmp_path, before=HIDDEN, OMP_NUM_THREADS='1')
    assert result.returncode == 0 and result.stderr == '', (result.stdout, result.stderr)
    report = json.loads((tmp_path/'suite'/'suite.json').read_text())
    assert report['right'] and report['finished'] and not report['cut']
    assert all(r['status'].startswith('not installed') for r in report['rows'] if r.get('row') in ('xca', 'litemla', 'efficientvim'))
    for title in ('Errors', 'C11', 'C12', 'Training'): assert title in result.stdout
    refused(infsa_bench('--suite', 'gpu', '--tiny', '--device', 'cpu', '--out', 'suite', cwd=tmp_path), '--force')


PRETENDED = f"sys.path.insert(0, {str(Path(__file__).parent)!r}); import pretend_cuda; " + HIDDEN


def test_the_suite_drives_a_gpu(tmp_path):
    "What is measured on CUDA and nowhere else: events, graphs, joules, books of memory, in one process and without fastai."
    result = infsa_bench('--suite', 'gpu', '--tiny', '--minutes', 600, '--out', 'suite', cwd=tmp_path, before=PRETENDED, OMP_NUM_THREADS='1')
    assert result.returncode == 0 and result.stderr == '', (result.stdout, result.stderr)
    report = json.loads((tmp_path/'suite'/'suite.json').read_text())
    assert report['right'] and report['device'] == 'cuda' and report['environment']['card'] == 'pretended' and report['environment']['precision']['products'] == 'ieee'
    ran = [r for r in report['rows'] if r['what'] in ('model', 'largest') and r['status'] == 'ok']
    assert len(ran) > 8 and all(r['joules'] > 0 and (r['peak_bytes'], r['peak_allocated'], r['peak_reserved']) == (250, 350, 512) for r in ran)
    assert all(r['graph_seconds'] > 0 for r in ran if r['what'] == 'model')


def test_a_race_drives_a_gpu(tmp_path):
    args = ['--rows', 'softmax', 'linear', 'kernel', '--tokens', 16, 1200, '--dim', 32, '--heads', 4, '--graph', '--autocast', 'bfloat16', '--batch', 2, '--device', 'cuda', '--out', 'race']
    result = infsa_bench(*args, cwd=tmp_path, before=PRETENDED, OMP_NUM_THREADS='1')
    assert result.returncode == 0 and result.stderr == '', (result.stdout, result.stderr)
    report = json.loads((tmp_path/'race'/'bench.json').read_text())
    assert [r['status'] for r in report['rows']] == ['ok']*6 and all(r['graph_seconds'] > 0 and r['joules'] > 0 and r['batch'] == 2 for r in report['rows'])
    assert report['rows'][0]['sdpa'].startswith('default: ') and report['environment']['driver'] is None
