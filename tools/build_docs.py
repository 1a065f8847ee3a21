"Build the site from the notebooks into _docs/, offline: `python tools/build_docs.py`."
import json, os, shutil, subprocess, sys
from configparser import ConfigParser

os.environ.setdefault('MPLBACKEND', 'agg')

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from card import card
from check_links import problems
from pages import ROOT, Page, myst, notebooks

WINGS = dict(enumerate(['Start', 'Theory', 'Operators', 'Models', 'Data', 'Maps', 'Training',
                        'Evaluation', 'Scale', 'Evidence']))


def wing(page):
    "Caption under which a page stands in the navigation."
    return WINGS[int(page.name[0])] if page.name[0].isdigit() else 'More'


def entry(page, title=None):
    "A line of a table of contents."
    name = page.name.removesuffix('.ipynb')
    return f'{title} <{name}>' if title else name


def mark(page):
    "Title of a page of the story among the others of its wing."
    if page.story is not None:
        return f'{f"Story {page.story}" if page.story else "Start here"} · {page.title}'


def toctree(pages):
    "Hidden tables of contents: the story, then the wings, each with its pages of the story first."
    place = lambda p: (p.story is None, p.story)
    story = sorted((p for p in pages if p.story is not None), key=place)
    groups = {'The story': [entry(p, p.story and f'{p.story} · {p.title}') for p in story]}
    for caption in [*WINGS.values(), 'More']:
        here = sorted((p for p in pages if wing(p) == caption), key=place)
        groups[caption] = [entry(p, mark(p)) for p in here]
    fences = [f'```{{toctree}}\n:hidden:\n:caption: {caption}\n\n' + '\n'.join(lines) + '\n```'
              for caption, lines in groups.items() if lines]
    return '\n\n'.join(fences)


SOURCE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} — source</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem }}
h1 {{ font-size: 1.5rem; overflow-wrap: anywhere }}
pre a {{ color: inherit !important; text-decoration: none }}
pre {{ font-size: 14px; overflow-x: auto }}
{light}
@media (prefers-color-scheme: dark) {{
body {{ background: #121212; color: #e6e6e6 }}
a {{ color: #8ecbff }}
{dark}
}}
</style>
</head>
<body>
<nav><a href="../index.html">infsa</a></nav>
<main>
<h1>{name}</h1>
{code}</main>
</body>
</html>
"""


def write_sources(folder):
    "The package's modules as highlighted pages with an anchor for each line."
    folder.mkdir(parents=True)
    light, dark = [HtmlFormatter(style=f'github-{s}-high-contrast', linenos='inline',
                                 lineanchors='L', anchorlinenos=True) for s in ('light', 'dark')]
    styles = dict(light=light.get_style_defs('.highlight'), dark=dark.get_style_defs('.highlight'))
    for path in sorted((ROOT/'infsa').rglob('*.py')):
        module = '.'.join(path.relative_to(ROOT/'infsa').with_suffix('').parts)
        code = highlight(path.read_text(encoding='utf-8'), PythonLexer(), light)
        code = code.replace('<pre>', '<pre tabindex="0">', 1)
        page = SOURCE.format(name=f'infsa.{module}', code=code, **styles)
        (folder/f'{module}.html').write_text(page, encoding='utf-8')


def write_map(site, pages):
    "sitemap.xml of the pages and the robots.txt that names it, by the address in settings.ini."
    ini = ConfigParser(delimiters=['='])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    address = f'{ini["DEFAULT"]["doc_host"]}{ini["DEFAULT"]["doc_baseurl"]}'
    lines = [f'<url><loc>{address}/{p.name.removesuffix(".ipynb")}.html</loc></url>' for p in pages]
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{}">'.format(
        'http://www.sitemaps.org/schemas/sitemap/0.9')
    (site/'sitemap.xml').write_text('\n'.join([head, *lines, '</urlset>', '']), encoding='utf-8')
    (site/'robots.txt').write_text(f'User-agent: *\nAllow: /\nSitemap: {address}/sitemap.xml\n')


def main():
    front, *pages = [Page(p) for p in notebooks()]
    if front.name != 'index.ipynb': sys.exit('build_docs: nbs/index.ipynb is missing')
    where = {p.path.stem: p for p in pages} | {s: p for p in pages for s in p.symbols}
    build, site = ROOT/'_build', ROOT/'_docs'
    src, made = build/'src', build/'html'  # myst-nb writes a folder beside it, too
    for folder in (build, site): shutil.rmtree(folder, ignore_errors=True)
    for p in [front, *pages]:
        target = src/p.name
        target.parent.mkdir(parents=True, exist_ok=True)
        made_of = myst(p, where, toctree(pages) if p is front else '')
        target.write_text(json.dumps(made_of), encoding='utf-8')
    sphinx = [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-E', '-c', ROOT/'docs',
              '-b', 'html', '-d', build/'doctrees', src, made]
    if subprocess.run(sphinx, cwd=build).returncode:
        sys.exit('build_docs: Sphinx found the problems above')
    made.rename(site)
    write_sources(site/'source')
    write_map(site, [front, *pages])
    card().savefig(site/'_static'/'card.png')
    for p in [front, *pages]: shutil.copyfile(p.path, site/p.name)  # to download
    (site/'.nojekyll').touch()
    if broken := problems(site):
        sys.exit('\n'.join(['build_docs: links that do not hold', *broken]))
    print(f'{len(pages) + 1} pages built; open {(site/"index.html").relative_to(ROOT)}')


if __name__ == '__main__': main()
