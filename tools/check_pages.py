"Say where the notebooks leave the rules of pages: `python tools/check_pages.py [RULE ...]`."
import argparse, ast, base64, re, struct, sys
from collections import Counter

from pages import ROOT, STORY as IN_STORY, Page, alt_text, directives, notebooks, text, visible

sys.path.append(str(ROOT/'docs'))
from slug import slug

FILE = re.compile(r'\b\d\d[a-z]?_[a-z]\w*')  # 21_pure, with or without .ipynb
PLACE = re.compile(r'\bpages? (?:before|above|below|after)\b|'
                   r'\b(?:next|previous|last|earlier|later|following) pages?\b', re.I)
OTHER = re.compile(r'^```.*?^```|\]\([^)]*\)|\$[^$]*\$', re.M | re.S)  # code, targets, formulas
CHECKS = re.compile(r'\b(assert\w*|test_\w+|close)\b')


def code_cells(page):
    "Yield (index, directives, code, outputs) of the code cells."
    for i, c in enumerate(page.cells):
        if c['cell_type'] == 'code':
            yield i, *directives(text(c['source'])), c.get('outputs', [])


def pictures(outputs):
    "Widths of the pictures in PNG."
    found = [text(o['data']['image/png']) for o in outputs if 'image/png' in o.get('data', {})]
    return [struct.unpack('>I', base64.b64decode(p)[16:20])[0] for p in found]


def prose(page):
    "Yield (index, Markdown without code, formulas and targets of links)."
    for i, c in enumerate(page.cells):
        if c['cell_type'] == 'markdown':
            yield i, OTHER.sub(' ', text(c['source']))


def width(page):
    "no line of code has more than 100 characters"
    for i, _, code, _ in code_cells(page):
        most = max(map(len, code.splitlines()), default=0)
        if most > 100: yield i, f'{most} characters'


def picture_width(page):
    "a picture is 800 pixels wide or more, short of cells that say `#| small`"
    for i, found, _, outputs in code_cells(page):
        for w in pictures(outputs):
            if w < 800 and not {'small', 'hide'} & set(found): yield i, f'{w} pixels'


def picture_words(page):
    "a picture has a sentence below or above it, for those who cannot see it"
    seen = visible(page)
    for i, (_, _, outputs, _) in enumerate(seen):
        if pictures(outputs) and not alt_text(seen, i): yield None, f'after {seen[i-1][1][:40]!r}'


def exported_lines(page):
    "an exported cell has 30 lines or fewer"
    for i, found, code, _ in code_cells(page):
        n = sum(bool(l.strip()) for l in code.splitlines())
        if 'export' in found and n > 30: yield i, f'{n} lines'


def page_cells(page):
    "a page has 80 cells or fewer"
    if len(page.cells) > 80: yield None, f'{len(page.cells)} cells'


def file_names(page):
    "prose calls pages by their titles, not by file names or by where they stand"
    for i, words in prose(page):
        for pattern in (FILE, PLACE):
            for m in pattern.finditer(words): yield i, m[0]


def machine_paths(page):
    "what a cell prints names no place of the machine that ran it"
    for i, c in enumerate(page.cells):
        for out in c.get('outputs', []):
            said = text(out.get('text', '')) + text(out.get('data', {}).get('text/plain', ''))
            for m in re.finditer(r'/\S*(site-packages|\.venv)/\S*', said): yield i, m[0]


def anchors(page):
    "What a link to a page may name: headings, and names of the package with their methods."
    said = [text(c['source']) for c in page.cells if c['cell_type'] == 'markdown']
    said += [text(o.get('data', {}).get('text/markdown', '')) for c in page.cells
             for o in c.get('outputs', [])]
    markdown = [re.sub(r'^```.*?^```', '', s, flags=re.M | re.S) for s in said]
    headings = re.findall(r'^#+ (.+)', '\n'.join(markdown), re.M)
    hyphened = {re.sub(r'[^a-z0-9]+', '-', h.lower()).strip('-') for h in headings}  # by Sphinx
    ours = {slug(h.replace('`', '')) for h in headings}
    return hyphened | ours | {n.lower() for n in page.symbols}


def links(page):
    "a link to a notebook leads to one that is there, and to a heading or a name in it"
    for i, c in enumerate(page.cells):
        if c['cell_type'] != 'markdown': continue
        for name, anchor in re.findall(r'\]\(([^):]*\.ipynb|)(?:#([^)]*))?\)', text(c['source'])):
            path = (page.path.parent/name).resolve() if name else page.path
            if not path.exists(): yield i, name
            elif anchor and not {anchor, anchor.split('.')[0]} & anchors(Page(path, path.parent)):
                yield i, f'{name}#{anchor}'


def tree_of(code): return ast.parse(re.sub(r'^(\s*)[%!].*$', r'\1pass', code, flags=re.M))


def bound(code):
    "Names that code binds: (those of imports, functions and classes, all of them)."
    made, every = set(), set()
    for n in ast.walk(tree_of(code)):
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)): made.add(n.name)
        elif isinstance(n, (ast.Import, ast.ImportFrom)):
            made |= {(a.asname or a.name).split('.')[0] for a in n.names}
        elif isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda):
            made |= {t.id for t in n.targets if isinstance(t, ast.Name)}
        elif isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store): every.add(n.id)
        elif isinstance(n, ast.arg): every.add(n.arg)
    return made, made | every


def hidden_names(page):
    "what a visible cell uses of imports, functions and classes comes from a visible cell"
    shown = [s for kind, s, _, _ in visible(page) if kind in ('code', 'export', 'imports')]
    here = set().union(*(bound(code)[1] for code in shown))
    hidden = set().union(*(bound(code)[0] for _, _, code, _ in code_cells(page))) - here
    used = {}  # each with the first line of its first cell
    for code in shown:
        for n in ast.walk(tree_of(code)):
            if isinstance(n, ast.Name) and n.id in hidden: used.setdefault(n.id, code)
    for name, code in used.items(): yield None, f'{name} in {code.splitlines()[0][:50]!r}'


def own_module(page):
    "a page that registers operations of PyTorch does not import its module, which registers them too"
    every = [code for _, _, code, _ in code_cells(page)]
    if not any('custom_op(' in code for code in every): return
    for code in every:
        for n in ast.walk(tree_of(code)):
            names = [a.name for a in n.names] if isinstance(n, (ast.Import, ast.ImportFrom)) else []
            if isinstance(n, ast.ImportFrom): names = [n.module, *(f'{n.module}.{a}' for a in names)]
            if page.module in names: yield None, ast.unparse(n)


def story_cells(page):
    "a page of the story has 50 cells or fewer"
    if len(page.cells) > 50: yield None, f'{len(page.cells)} cells'


def story_picture(page):
    "a page of the story has a picture among its first 12 cells"
    first = [outputs for i, _, _, outputs in code_cells(page) if i < 12]
    if not any(map(pictures, first)): yield None, 'none'


def story_refusals(page):
    "a page of the story shows one refusal of input at most"
    shown = '\n'.join(code for kind, code, _, fold in visible(page) if kind == 'code' and not fold)
    if (n := shown.count('test_fail(')) > 1: yield None, f'{n} of them'


def story_links(page):
    "a page of the story says where it stands, below its title and at its end, with links"
    link = r'\[[^]]+\]\(.*'
    line = r'\*Start here\b.*' + link if page.story == 0 else fr'\*Story {page.story} of 10\b.*'
    if page.story > 0: line += 'before: ' + link
    if 0 < page.story < 10: line += 'next: ' + link
    words = [source if kind == 'md' else '' for kind, source, _, _ in visible(page)]
    first, last = [w for w in words if w][:2], words[-1:]
    for where, some in (('below the title', first), ('at the end', last)):
        if not any(re.search(f'^{line}', s, re.M) for s in some): yield None, f'none {where}'


def story_order(page):
    "the links of the story lead to the page before and the one after, under their titles"
    for i, c in enumerate(page.cells):
        if c['cell_type'] != 'markdown' or not IN_STORY.search(text(c['source'])): continue
        found = re.findall(r'(before|next): \[([^]]+)\]\(([^)]+)\)', text(c['source']))
        for step, title, name in found:
            path = (page.path.parent/name).resolve()
            if not path.exists(): continue  # said by `links`
            other, wanted = Page(path, path.parent), page.story + (1 if step == 'next' else -1)
            if (other.story, other.title) != (wanted, title): yield i, f'{step}: {title}'


def story_answers(page):
    "a page of the story ends with three exercises, whose answers are folded assertions"
    found = [code for _, f, code, _ in code_cells(page) if f.get('code-fold') == 'true']
    if (n := sum(bool(CHECKS.search(code)) for code in found)) < 3: yield None, f'{n} answers'


EVERYWHERE = (width, picture_width, picture_words, exported_lines, page_cells, file_names,
              machine_paths, links, hidden_names, own_module)
STORY = (story_cells, story_picture, story_refusals, story_links, story_order, story_answers)
RULES = {r.__name__: r for r in EVERYWHERE + STORY}


def problems(page, rules=tuple(RULES)):
    "(rule, line of text) for each place where a page leaves the rules."
    for name in rules:
        if RULES[name] in STORY and page.story is None: continue
        for i, said in RULES[name](page):
            yield name, f'{page.name}{"" if i is None else f" cell {i}"}: {name}: {said}'


def main():
    listed = '\n'.join(f'  {name:15} {r.__doc__}' for name, r in RULES.items())
    parser = argparse.ArgumentParser(description=__doc__, epilog=f'rules:\n{listed}',
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rules', nargs='*', metavar='RULE', help='all, unless named')
    parser.add_argument('--page', default='', help='only pages whose path has this in it')
    parser.add_argument('--counts', action='store_true', help='counts alone')
    args = parser.parse_args()
    if unknown := set(args.rules) - set(RULES): parser.error(f'no such rule: {", ".join(unknown)}')
    pages = [Page(p) for p in notebooks() if args.page in str(p)]
    found = [f for p in pages for f in problems(p, args.rules or tuple(RULES))]
    if not args.counts: print(*(line for _, line in found), sep='\n')
    counts = Counter(name for name, _ in found)
    print(f'{len(pages)} pages', *(f'{counts[n]:5} {n}' for n in args.rules or RULES), sep='\n')
    sys.exit(bool(found))


if __name__ == '__main__': main()
