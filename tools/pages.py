"Reads the notebooks of `nbs/` as pages: what a reader sees of them, as Markdown and for the site."
import ast, base64, html, inspect, json, posixpath, re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
FLAGS = 'slow', 'cuda', 'data'
TABLE = re.compile(r'^<table\b.*?^</table>', re.M | re.S)
SCROLLS = r'<div class="pst-scrollable-table-container">\g<0></div>'  # as the theme has others do
STORY, DOOR = re.compile(r'^\*Story (\d+) of 10\b', re.M), '00_sixty_lines'


def text(source): return source if isinstance(source, str) else ''.join(source)


def notebooks(folder=NBS):
    "Notebooks in reading order: the front page, the wings by number, then other folders."
    parts = {p: p.relative_to(folder).parts for p in Path(folder).rglob('*.ipynb')}
    found = [p for p in parts if not any(s[0] in '._' for s in parts[p])]
    return sorted(found, key=lambda p: (p.name != 'index.ipynb', len(parts[p]), parts[p]))


def directives(source):
    "The leading `#| name: value` lines of a cell as a dict, and the code behind them."
    lines, found = source.splitlines(), {}
    while lines and (m := re.match(r'#\|\s*([\w-]+):?\s*(.*)', lines[0])):
        found[m[1]] = m[2].strip()
        lines.pop(0)
    return found, '\n'.join(lines).strip('\n')


def imports_only(code):
    "Whether code holds import statements and nothing else."
    body = ast.parse(re.sub(r'^[%!].*$', 'pass', code, flags=re.M)).body
    return bool(body) and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in body)


def public_names(source):
    "Functions and classes that a cell defines at its top level, no private or `patch`ed ones."
    found = [n for n in ast.parse(source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    patched = [n for n in found if any('patch' in ast.unparse(d) for d in n.decorator_list)]
    return [n.name for n in found if n.name[0] != '_' and n not in patched]


class Page:
    "One notebook: cells, title and subtitle, place in the story, module and public names."
    def __init__(self, path, folder=NBS):
        self.path, self.name = path, path.relative_to(folder).as_posix()
        self.cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        self.module, self.symbols = None, []
        prose = '\n'.join(text(c['source']) for c in self.cells if c['cell_type'] == 'markdown')
        heading, place = re.search(r'^# (.+)', prose, re.M), STORY.search(prose)
        self.title = plain(heading[1]) if heading else path.stem
        said = re.search(r'^# .+\n+((?:> .+\n?)+)', prose, re.M)
        self.subtitle = plain(re.sub('^> ', '', said[1], flags=re.M)) if said else ''
        self.story = int(place[1]) if place else 0 if path.stem == DOOR else None
        for c in self.cells:
            if c['cell_type'] != 'code': continue
            found, code = directives(text(c['source']))
            if 'default_exp' in found: self.module = f'infsa.{found["default_exp"]}'
            if 'export' in found: self.symbols += public_names(code)


def link_symbols(markdown, page, where):
    "Link `name` in backticks, by `where`: a symbol to its definition, a notebook by its title."
    def link(m):
        target = where.get(m[1])
        if target is None: return m[0]
        if m[1] == target.path.stem:
            return target.title if target is page else f'[{target.title}]({relative(target, page)})'
        return f'[`{m[1]}`]({"" if target is page else relative(target, page)}#{m[1].lower()})'
    def retitle(m):
        target = where.get(m[1])
        return m[0] if target is None or m[1] != target.path.stem else f'[{target.title}]'
    parts = re.split(r'(^```.*?^```|^#.*?$)', markdown, flags=re.M | re.S)  # these stay
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r'\[`?(?:[\w./]*/)?(\w+)(?:\.ipynb)?`?\](?=\([^)]*\.ipynb)',
                          retitle, parts[i])
        parts[i] = re.sub(r'(?<![\[`])`(\w+)`(?!`|\])', link, parts[i])
    return ''.join(parts)


def relative(target, page):
    "Address of `target` as seen from `page`."
    return posixpath.relpath(target.name, posixpath.dirname(page.name) or '.')


def cell_of_table(value):
    "A value as it fits into a cell of a Markdown table."
    return str(value).replace('|', '\\|').replace('\n', ' ')


def starred(name, kind):
    "The name of a parameter as a signature writes it."
    stars = {inspect.Parameter.VAR_POSITIONAL: '*', inspect.Parameter.VAR_KEYWORD: '**'}
    return stars.get(kind, '') + name


def type_of(note):
    "An annotation as a signature writes it; empty for none."
    if note is inspect.Parameter.empty or note is None: return ''
    return getattr(note, '__name__', str(note)) if isinstance(note, type) else str(note)


def arguments_table(symbol):
    "Arguments of a function or class as its docments tell them; empty when nothing is said."
    from fastcore.docments import docments
    try: found = docments(symbol, full=True, returns=True, args_kwargs=True)
    except (TypeError, ValueError, OSError): return ''
    rows = []
    for name, d in found.items():
        default = '' if d.default is inspect.Parameter.empty else repr(d.default)
        if name == 'return': name, default = '**returns**', ''
        else: name = f'`{starred(name, d.kind)}`'
        if name != '`self`' and (d.docment or name != '**returns**'):
            rows.append((name, type_of(d.anno), default, d.docment or ''))
    if not any(r[3] for r in rows): return ''
    code = lambda v: f'`{cell_of_table(v)}`' if v else ''
    return '\n'.join(['| argument | type | default | |', '|---|---|---|---|'] + [
        f'| {n} | {code(k)} | {code(d)} | {cell_of_table(s)} |' for n, k, d, s in rows])


def card(name, module, root=''):
    "Link to the source below `root`, signature, docstring and arguments of `name`; its methods."
    owner = import_module(module)
    for part in name.split('.'): symbol = owner = inspect.getattr_static(owner, part)
    if isinstance(symbol, property): symbol = symbol.fget
    line = inspect.getsourcelines(inspect.unwrap(symbol))[1]
    try: arguments = inspect.signature(symbol).parameters.items()
    except ValueError: bare = '...'  # an exception without a signature of its own
    else: bare = ', '.join(starred(n, p.kind) for n, p in arguments if n != 'self')
    doc = inspect.cleandoc(symbol.__doc__ or '')
    if doc.startswith(f'{name}('): doc = ''  # what a dataclass writes for want of a docstring
    kind = 'class ' if inspect.isclass(symbol) else ''
    page = f'{root}source/{module.removeprefix("infsa.")}.html'
    anchor = f'id="{name.lower()}" ' if '.' in name else ''  # a function's own is its heading
    source = f'<a class="source" {anchor}href="{page}#L-{line}">source</a>'
    signature = f'```python\n{kind}{name}({bare})\n```'
    out = [source, signature, doc, arguments_table(symbol)]
    if inspect.isclass(symbol):
        members = vars(symbol).items()
        defined = {n: f.fget if isinstance(f, property) else f for n, f in members if n[0] != '_'}
        own = [n for n, f in defined.items() if inspect.isfunction(f)
               and f.__module__ == module and (f.__doc__ or n == 'forward')]  # no other page's
        out += [card(f'{name}.{n}', module, root) for n in own]
    return '\n\n'.join(o for o in out if o)


def folded(name, module, root):
    "The card of a name, folded below its code."
    summary = '<details class="api"><summary>Arguments and source</summary>'
    return f'{summary}\n\n{card(name, module, root)}\n\n</details>'


def pieces(code):
    "An exported cell cut behind its public names: (name, code) for each, or one without a name."
    names, lines = public_names(code), code.splitlines()
    ends = [n.end_lineno for n in ast.parse(code).body if getattr(n, 'name', '') in names]
    cuts = [0, *ends[:-1], len(lines)]
    parts = ['\n'.join(lines[a:b]).strip('\n') for a, b in zip(cuts, cuts[1:])]
    return list(zip(names or [''], parts))


def imports_of(page, shown):
    "Import statements of a page as far as the code that is shown uses them, each once."
    found = {}
    for c in page.cells:
        flags, code = directives(text(c['source'])) if c['cell_type'] == 'code' else ((), '')
        if set(FLAGS) & set(flags) or not imports_only(code): continue
        for n in ast.parse(code).body:
            names = {(a.asname or a.name).split('.')[0] for a in n.names}
            if '*' in names or any(re.search(rf'\b{name}\b', shown) for name in names):
                found[ast.get_source_segment(code, n)] = None
    return '\n'.join(found)


def visible(page):
    """List (kind, source, outputs, fold) of what a reader sees. Kinds: 'md', 'code', 'imports',
    'export', and 'head' and 'api' with a name; `fold`: what stands for a folded cell, or ''."""
    seen, asked, first = [], False, None
    for c in page.cells:
        source, outputs = text(c['source']), c.get('outputs', [])
        if c['cell_type'] == 'markdown': seen.append(('md', source, [], '')); continue
        found, code = directives(source)
        if c['cell_type'] != 'code' or not code or 'default_exp' in found: continue
        imports = imports_only(code) and not outputs
        if imports and found.get('echo') == 'true': asked = True
        elif imports and not set(FLAGS) & set(found):
            if first is None: first = len(seen)
            if 'export' in found: seen.append(('imports', code, [], 'Imports'))
            continue
        if 'hide' in found: continue
        if 'export' in found:
            parts = pieces(code)
            for name, part in parts:
                if name: seen.append(('head', name, [], ''))
                seen.append(('export', part, outputs if part is parts[-1][1] else [], ''))
                if name: seen.append(('api', name, [], ''))
        elif found.get('echo') == 'false': seen.append(('code', '', outputs, ''))
        elif found.get('code-fold') == 'true': seen.append(('code', code, outputs, 'Answer'))
        else:
            fold = 'Show the code' if set(FLAGS) & set(found) else ''
            seen.append(('code', code, outputs, fold))
    if not asked and first is not None:  # all that the lessons need, in one place
        shown = '\n'.join(s for kind, s, _, _ in seen if kind in ('code', 'export'))
        gathered = imports_of(page, shown)
        seen[first:] = [s for s in seen[first:] if s[0] != 'imports']
        if gathered: seen.insert(first, ('imports', gathered, [], 'Imports'))
    return seen


def is_markdown(output): return 'text/markdown' in output.get('data', {})


def myst(page, where, toctree=''):
    "The page as a notebook for myst-nb: outputs kept, API cards folded below exported definitions."
    cells, seen, root = [], visible(page), '../'*page.name.count('/')
    def md(s):
        source = TABLE.sub(SCROLLS, link_symbols(s, page, where))
        cells.append(dict(cell_type='markdown', metadata={}, source=source))
    for i, (kind, source, outputs, fold) in enumerate(seen):
        if kind == 'md': md(source)
        elif kind == 'head': md(f'### {source}')
        elif kind == 'api': md(folded(source, page.module, root))
        else:
            tags = ['export'] if kind == 'export' else []
            if fold: tags.append('hide-cell' if fold == 'Answer' else 'hide-input')
            if not source: tags.append('remove-input')
            shown = dict(code_prompt_show=fold, code_prompt_hide=fold) if fold else {}
            if any('image/png' in o.get('data', {}) for o in outputs):
                shown['image'] = dict(alt=alt_text(seen, i))
            kept = [clean_output(o) for o in outputs if not is_markdown(o)]
            cells.append(dict(cell_type='code', execution_count=1, source=source or 'pass',
                              metadata=dict(tags=tags, mystnb=shown), outputs=kept))
            for o in outputs:
                if is_markdown(o): md(text(o['data']['text/markdown']))
    if toctree: md(toctree)
    for i, c in enumerate(cells): c['id'] = f'c{i}'
    kernel = dict(name='python3', display_name='python3', language='python')
    said = {'og:description': page.subtitle, 'myst': {'html_meta': {'description': page.subtitle}}}
    return dict(cells=cells, metadata=dict(kernelspec=kernel, **(said if page.subtitle else {})),
                nbformat=4, nbformat_minor=5)


def clean_output(output):
    "An output without the repr of figures that stand beside it, and without terminal colours."
    output = json.loads(json.dumps(output))
    data = output.get('data', {})
    if 'image/png' in data: data.pop('text/plain', None)
    if 'text' in output: output['text'] = re.sub(r'\x1B\[[0-9;]*[A-Za-z]', '', text(output['text']))
    if output['output_type'] == 'execute_result': output['execution_count'] = 1
    return output


def plain(markdown):
    "Markdown of a line without its marks; a formula as its letters."
    letters = lambda m: ' '.join(re.sub(r'[{}]|\\[^a-zA-Z]', '', m[1]).replace('\\', ' ').split())
    words = re.sub(r'\$([^$]*)\$', letters, ' '.join(markdown.split()))
    return re.sub(r'!?\[([^\]]*)\]\([^)]*\)|[*`\\]|<[^>]*>', r'\1', words)


def sentences(paragraph):
    "Sentences of a paragraph in plain text; none of a heading, table or list."
    other = r'\s*$|#|\||```|> |[-+*] |\d+\. |\$\$|\*Story '
    if re.match(other, paragraph): return []
    return re.split(r'(?<=[.?!])\s', plain(paragraph))


def first_sentence(markdown, words=6):
    "First sentence of a Markdown cell, for the picture above it; and more where it is too short."
    said = sentences(markdown.strip().split('\n\n')[0])
    while len(said) > 1 and len(said[0].split()) < words: said[:2] = [' '.join(said[:2])]
    return next(iter(said), '')


def last_sentence(markdown):
    "Last sentence of a Markdown cell, for a picture below it that no words follow."
    return next(iter(sentences(markdown.strip().split('\n\n')[-1])[::-1]), '')


def alt_text(cells, i):
    "What is seen in the picture of cell `i` of `visible`: the sentence below, else the one above."
    below = cells[i + 1] if i + 1 < len(cells) else ('', '')
    above = next((c for c in cells[:i][::-1] if c[0] == 'md'), ('', ''))
    return below[0] == 'md' and first_sentence(below[1]) or last_sentence(above[1])


def markdown(page, images, where_images):
    "The page as one Markdown document; its pictures go to `images`, linked below `where_images`."
    out, n, seen = [], 0, visible(page)
    for i, (kind, source, outputs, _) in enumerate(seen):
        if kind == 'md': out.append(source)
        if kind == 'code' and source: out.append(f'```python\n{source}\n```')
        for o in outputs:
            data = o.get('data', {})
            if 'image/png' in data:
                n += 1
                images.mkdir(exist_ok=True)
                name = f'{page.path.stem}_{n}.png'
                (images/name).write_bytes(base64.b64decode(text(data['image/png'])))
                width = o.get('metadata', {}).get('image/png', {}).get('width')
                shown = f'src="{where_images}/{name}" alt="{html.escape(alt_text(seen, i))}"'
                out.append(f'<img {shown}' + (f' width="{width}"' if width else '') + '>')
            elif is_markdown(o): out.append(text(data['text/markdown']))
            elif said := data.get('text/plain') or clean_output(o).get('text'):
                out.append(f'```text\n{text(said).rstrip()}\n```')
    return '\n\n'.join(o.strip('\n') for o in out if o.strip()) + '\n'
