"""Run every notebook and every test below tests/, some at once, the longest first: `python tools/run_tests.py [NOTEBOOK or TEST FILE ...]`.
The last line is `N passed, N failed`; above it each failed test has its name."""
import argparse, importlib.util, json, multiprocessing, os, resource, sys, tempfile, time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
SECONDS = ROOT/'tools'/'seconds.json'  # of a core, as last recorded: the order, and which tests get a process of their own
ALONE = 5  # seconds from which a test does
GIB_PER_TASK = 2.5
NEEDS = {'nbs/2_operators/27_kernels.ipynb': 'triton'}  # pages about a package that not every system has


def free_gib(meminfo=Path('/proc/meminfo')):
    "Memory that can be had, files that are only kept for another look included; 4 where the system does not say."
    try: return next(int(l.split()[1]) / 2**20 for l in meminfo.read_text().splitlines() if l.startswith('MemAvailable:'))
    except (OSError, StopIteration): pass
    try: return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30
    except (ValueError, OSError): return 4


def workers():
    "As many tasks at once as cores and free memory allow."
    return max(1, min(os.cpu_count() or 1, int(free_gib() / GIB_PER_TASK)))


def shown(path): return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


WARM = multiprocessing.get_context('forkserver')  # its processes are copies of one that has imported what nearly all tests import
WARM.set_forkserver_preload(['torch', 'torchvision', 'fastai.vision.all', 'matplotlib.pyplot', 'pandas', 'sklearn.datasets', 'nbdev.test', 'pytest'])


def environment(threads=1, **more): return dict(MPLBACKEND='agg', OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), IN_TEST='1',
                                                TRITON_INTERPRET='1', **more)  # Triton reads it when it is imported, and acts where kernels are asked for


def _inside(f, args, cwd, env, log, threads):
    "What a process of `call` does."
    with open(log, 'w') as file:
        for fd in 1, 2: os.dup2(file.fileno(), fd)
    os.environ.update(env)
    multiprocessing.set_start_method(None, force=True)  # loaders start their workers as ever
    os.chdir(cwd)
    sys.path.insert(0, str(cwd))
    import torch
    torch.set_num_threads(threads)
    try: code = int(f(*args))
    finally:
        sys.stdout.flush()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        Path(f'{log}.seconds').write_text(str(sum(u.ru_utime + u.ru_stime for u in used)))
    sys.exit(code)


def call(f, args, cwd, env, threads=1):
    "Exit code of `f(*args)` in a process of its own, what it wrote, and the seconds of a core that it and its processes took, which no neighbour changes."
    os.environ.update(environment())  # for the process that all are copies of
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder)/'log'
        p = WARM.Process(target=_inside, args=(f, args, cwd, env, log, threads))
        p.start()
        p.join()
        seconds = Path(f'{log}.seconds')
        return p.exitcode, log.read_text(errors='replace') if log.exists() else '', float(seconds.read_text()) if seconds.exists() else 0.


def _notebook(path, flags):
    from nbdev.config import get_config
    from nbdev.test import test_nb
    return not test_nb(path, skip_flags=get_config().tst_flags.split(), force_flags=flags.split())[0]


def _pytest(args):
    import pytest
    return pytest.main(args)


def run_notebook(path, flags='', threads=1):
    "Run one notebook in its own process; return (passed, names of what failed, output, seconds by name)."
    code, output, seconds = call(_notebook, (path, flags), path.parent, environment(threads), threads)
    return int(code == 0), [] if code == 0 else [shown(path)], output, {shown(path): seconds}


def run_pytest(tests, work, threads=1, root=ROOT):
    "Run tests, given as FILE or FILE::TEST, in one process; return (passed, names of what failed, output, seconds by name)."
    folder = Path(tempfile.mkdtemp(dir=work))
    options = '-q', '--tb=short', '-p', 'no:cacheprovider', f'--rootdir={root}', f'--basetemp={folder}/tmp', f'--junitxml={folder}/report.xml'
    code, output, seconds = call(_pytest, ([*options, *tests],), root, environment(threads, INFSA_TEST_DATA=f'{work}/data'), threads)
    cases = ElementTree.parse(folder/'report.xml').getroot().iter('testcase') if (folder/'report.xml').exists() else []
    passed, failed, took = 0, [], defaultdict(float)
    for c in cases:
        kinds, name = {k.tag for k in c}, f'{c.get("classname").replace(".", "/")}.py::{c.get("name")}'
        took[name.split('[')[0]] += float(c.get('time'))
        if kinds & {'failure', 'error'}: failed.append(name)
        elif 'skipped' not in kinds: passed += 1
    if code not in (0, 1, 5) or code == 1 and not failed: failed.append(' '.join(tests))  # it did not even begin, or broke off
    share = seconds/(sum(took.values()) or 1)  # pytest tells by the clock
    return passed, failed, output, {n: t*share for n, t in took.items()}


def parts_of(path, seconds):
    "The tests of one file as lists to run in a process each: those known to be long alone, all others together."
    name = shown(path)
    long = [t for t, s in seconds.items() if t.startswith(f'{name}::') and s >= ALONE and f'def {t.split("::")[1]}(' in path.read_text(encoding='utf-8')]
    rest = [name, *(f'--deselect={t}' for t in long)]
    return {**{t: [t] for t in long}, name: rest}


def tasks(paths, seconds, flags, threads, work):
    "Name and function of each task, the longest first; what was never recorded may be longest."
    found = {}
    for path in paths:
        if (package := NEEDS.get(shown(path))) and importlib.util.find_spec(package) is None: print(f'skipped {shown(path)}: {package} is not installed')
        elif path.suffix == '.ipynb': found[shown(path)] = lambda path=path: run_notebook(path, flags, threads)
        else: found.update({n: lambda t=t: run_pytest(t, work, threads) for n, t in parts_of(path, seconds).items()})
    return sorted(found.items(), key=lambda o: -seconds.get(o[0], 1e9))


def timed(task):
    start = time.perf_counter()
    return *task(), time.perf_counter() - start


def to_record(took):
    "Seconds by notebook, by test where it is long enough to be a task of its own, and of all others in its file together."
    found = defaultdict(float)
    for name, s in took.items(): found[name if '::' not in name or s >= ALONE else name.split('::')[0]] += s
    return dict(found)


def run_all(paths, n, flags='', threads=1):
    "Run notebooks and test files, `n` tasks at once; return the number of tests passed, the names of those that failed, and seconds to record."
    seconds, passed, failed, took = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}, 0, [], {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work, ThreadPoolExecutor(n) as pool:
        running = {pool.submit(timed, task): name for name, task in tasks(paths, seconds, flags, threads, work)}
        for future in as_completed(running):
            name = running[future]
            ok, bad, output, each, clock = future.result()
            passed, failed, took = passed + ok, failed + bad, {**took, **each}
            print(f'{"FAIL" if bad else "ok  "} {clock:5.0f} s  {name}', flush=True)
            if bad: print(output, flush=True)
    return passed, failed, to_record(took)


def everything():
    "All notebooks and all test files."
    pages = [f for f in (ROOT/'nbs').rglob('*.ipynb') if not any(s[0] in '._' for s in f.relative_to(ROOT).parts)]
    return sorted(pages) + sorted((ROOT/'tests').glob('test_*.py'))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('paths', nargs='*', type=Path, help='notebooks and files of tests, instead of all')
    p.add_argument('--workers', type=int, help='tasks at once; by cores and free memory if left out')
    p.add_argument('--threads', type=int, default=1, help='threads of a task; default 1')
    p.add_argument('--flags', default='', help='test flags to run too, such as "slow"')
    p.add_argument('--record', action='store_true', help='write down what each took, for the order of later runs')
    a = p.parse_args()
    missing = [str(f) for f in a.paths if not f.is_file()]
    if missing: p.error(f'no such file: {", ".join(missing)}')
    passed, failed, took = run_all([f.resolve() for f in a.paths] or everything(), a.workers or workers(), a.flags, a.threads)
    if a.record:
        others = json.loads(SECONDS.read_text()) if a.paths and SECONDS.exists() else {}
        SECONDS.write_text(json.dumps({n: round(s, 1) for n, s in sorted((others | took).items())}, indent=0) + '\n')
    if failed: print('failed:', *sorted(failed), sep='\n  ')
    print(f'{passed} passed, {len(failed)} failed')
    return bool(failed)


if __name__ == '__main__': sys.exit(main())
