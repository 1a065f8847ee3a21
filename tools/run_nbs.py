"Run notebooks in place and save their outputs: `python tools/run_nbs.py [NOTEBOOK ...]`; flags as for `nbdev_test`."
import argparse, os, subprocess, sys
from pathlib import Path

os.environ.setdefault('MPLBACKEND', 'agg')
os.environ.setdefault('COLUMNS', '100')  # width of a command's help

from execnb.nbio import read_nb, write_nb
from execnb.shell import CaptureShell
from fastcore.utils import working_directory
from nbdev.clean import clean_nb
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.process import extract_directives


def skipped(cell, flags):
    "Whether `cell` is left as it is: `eval: false`, or flagged with a test flag that was not asked for."
    if cell.cell_type != 'code' or 'nbdev_export(' in cell.source: return True
    directives = extract_directives(cell, remove=False)
    if directives.get('eval:', [''])[0].lower() == 'false': return True
    return bool(set(get_config().tst_flags.split()) & set(directives) - set(flags))


def run(path, flags=()):
    "Run the notebook at `path` from its own folder and write it back, cleaned, with its outputs."
    path = Path(path).resolve()
    nb = read_nb(path)
    kept = {c.id: c.get('outputs', []) for c in nb.cells if c.cell_type == 'code' and skipped(c, flags)}
    for c in nb.cells:
        if c.cell_type == 'code': c['outputs'] = []  # the shell leaves old outputs in a cell that now has none
    with working_directory(path.parent):
        shell = CaptureShell(str(path))
        shell.run_all(nb, exc_stop=True, preproc=lambda c: skipped(c, flags))
    for cell in nb.cells:
        if cell.cell_type == 'code' and cell.id in kept: cell['outputs'] = kept[cell.id]
    nb.pop('path_', None)
    clean_nb(nb, clean_ids=True)
    write_nb(nb, path)


def refuse_dirty(flags):
    "A slow run writes results that name their commit, so the tracked files must be those of it."
    if 'slow' not in flags: return
    from infsa.command import environment  # not before: a page may say how its packages are to be imported
    if (environment()['commit'] or '').endswith('-dirty'):
        sys.exit('run_nbs: results of slow cells name their commit, and tracked files differ from it; '
                 'commit them first, or add --allow-dirty')


if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('notebooks', nargs='*', help='notebooks to run; all of them by default')
    p.add_argument('--flags', default='', help='test flags to run too, separated by spaces, such as "slow"')
    p.add_argument('--allow-dirty', action='store_true', help='run slow cells although files differ from their commit')
    a = p.parse_args()
    if not a.allow_dirty: refuse_dirty(a.flags.split())
    pages = a.notebooks or sorted(map(str, nbglob(get_config().nbs_path)))
    for f in pages:
        print(f, flush=True)
        if len(pages) > 1:  # a process each: what one page sets in the shell shall not reach the next
            alone = [sys.executable, __file__, f, '--flags', a.flags, '--allow-dirty']
            if subprocess.run(alone, stdout=subprocess.DEVNULL).returncode: sys.exit(1)
            continue
        try: run(f, a.flags.split())
        except Exception as e: sys.exit(f'{f}: {type(e).__name__}: {e}')
