"Build the site from the notebooks into _docs/, offline: `python tools/build_docs.py`."
import json, os, shutil, subprocess, sys

os.environ.setdefault('MPLBACKEND', 'agg')

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from check_links import problems
from pages import NBS, ROOT, Page, myst, notebooks

WINGS = {'0': 'Start', '1': 'Theory', '2': 'Operators', '3': 'Models', '4': 'Data', '5': 'Maps', '6': 'Training', '7': 'Evaluation', '8': 'Scale', '9': 'Evidence'}


def wing(page):
    "Caption under which a page stands in the navigation."
    folder = page.name.split('/')[0]
    return WINGS.get(folder[0], folder.replace('_', ' ').title())


def toctree(pages):
    "Hidden tables of contents, one for each wing, in reading order."
    groups = {}
    for p in pages:
        if p.name != 'index.ipynb': groups.setdefault(wing(p), []).append(p.name.removesuffix('.ipynb'))
    return '\n\n'.join(f'```{{toctree}}\n:hidden:\n:caption: {caption}\n\n' + '\n'.join(names) + '\n```' for caption, names in groups.items())


def write_sources(folder):
    "The package's modules as highlighted pages with an anchor for each line."
    folder.mkdir(parents=True)
    for path in sorted((ROOT/'infsa').rglob('*.py')):
        module = '.'.join(path.relative_to(ROOT/'infsa').with_suffix('').parts)
        f = HtmlFormatter(full=True, title=f'infsa.{module}', linenos='inline', lineanchors='L', anchorlinenos=True, style='default',
                          cssstyles='font-size: 14px; max-width: 72rem; margin: 0 auto; padding: 1rem; overflow-x: auto')
        page = highlight(path.read_text(encoding='utf-8'), PythonLexer(), f)
        (folder/f'{module}.html').write_text(page.replace('<head>', '<head>\n<meta name="viewport" content="width=device-width, initial-scale=1">'), encoding='utf-8')


def main():
    pages = [Page(p) for p in notebooks()]
    if not pages or pages[0].name != 'index.ipynb': sys.exit('build_docs: nbs/index.ipynb is missing')
    where = {**{p.path.stem: p for p in pages[1:]}, **{s: p for p in pages for s in p.symbols}}
    build, site = ROOT/'_build', ROOT/'_docs'
    src, made = build/'src', build/'html'  # myst-nb leaves a folder beside its output: let that be below _build
    for folder in (build, site): shutil.rmtree(folder, ignore_errors=True)
    for p in pages:
        target = src/p.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(myst(p, where, toctree(pages) if p.name == 'index.ipynb' else '')), encoding='utf-8')
    sphinx = [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-E', '-c', ROOT/'docs', '-b', 'html', '-d', build/'doctrees', src, made]
    if subprocess.run(sphinx, cwd=build).returncode: sys.exit('build_docs: Sphinx found the problems above')
    made.rename(site)
    write_sources(site/'source')
    (site/'.nojekyll').touch()
    if broken := problems(site): sys.exit('\n'.join(['build_docs: links that do not hold', *broken]))
    print(f'{len(pages)} pages built; open {(site/"index.html").relative_to(ROOT)}')


if __name__ == '__main__': main()
