"Run every notebook's tests and the command-line tests: `python tools/run_tests.py [--workers N] [--flags slow] [NOTEBOOK ...]`."
import argparse, os, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GIB_PER_NOTEBOOK = 2.5


def workers():
    "As many notebooks at once as cores and free memory allow."
    try: free = os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30
    except (ValueError, OSError): free = 4
    return max(1, min(os.cpu_count() or 1, int(free / GIB_PER_NOTEBOOK)))


def run_notebook(path, flags):
    "Run one notebook in its own process; return (path, passed, seconds, output)."
    code = ('import sys; from pathlib import Path; from nbdev.config import get_config; from nbdev.test import test_nb; '
            f'sys.exit(not test_nb(Path(sys.argv[1]), skip_flags=get_config().tst_flags.split(), force_flags={flags!r}.split())[0])')
    start = time.perf_counter()
    env = dict(os.environ, MPLBACKEND='agg', OMP_NUM_THREADS='1', IN_TEST='1')
    r = subprocess.run([sys.executable, '-c', code, str(path)], cwd=path.parent, env=env, capture_output=True, text=True)
    return path, r.returncode == 0, time.perf_counter() - start, r.stdout + r.stderr


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('notebooks', nargs='*', type=Path, help='notebooks to test, instead of all and the command-line tests')
    p.add_argument('--workers', type=int, help='notebooks at once; by cores and free memory if left out')
    p.add_argument('--flags', default='', help='test flags to run too, such as "slow"')
    a = p.parse_args()
    missing = [str(f) for f in a.notebooks if not f.is_file()]
    if missing: p.error(f'no such notebook: {", ".join(missing)}')
    notebooks = [f.resolve() for f in a.notebooks] or sorted(f for f in (ROOT/'nbs').rglob('*.ipynb') if not any(s[0] in '._' for s in f.relative_to(ROOT).parts))
    passed = failed = 0
    with ThreadPoolExecutor(a.workers or workers()) as pool:
        for path, ok, seconds, output in pool.map(lambda f: run_notebook(f, a.flags), notebooks):
            passed, failed = passed + ok, failed + (not ok)
            print(f'{"ok  " if ok else "FAIL"} {seconds:5.0f} s  {path.relative_to(ROOT)}', flush=True)
            if not ok: print(output, flush=True)
    if not a.notebooks:
        import pytest

        class Count:
            def pytest_runtest_logreport(self, report):
                nonlocal passed, failed
                if report.failed: failed += 1
                elif report.when == 'call' and report.passed: passed += 1

        if pytest.main(['-q', '--no-summary', str(ROOT/'tests')], plugins=[Count()]) and not failed: failed += 1
    print(f'{passed} passed, {failed} failed')
    return bool(failed)


if __name__ == '__main__': sys.exit(main())
