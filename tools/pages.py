"Reads the notebooks of `nbs/` as pages: what a reader sees of each cell, in Markdown and as MyST notebooks."
import ast, base64, html, inspect, json, posixpath, re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
FLAGS = 'slow', 'cuda', 'data'


def text(source): return source if isinstance(source, str) else ''.join(source)


def notebooks(folder=NBS):
    "Notebooks in reading order: the front page, then by number, then those in folders."
    found = [p for p in Path(folder).rglob('*.ipynb') if not any(s[0] in '._' for s in p.relative_to(folder).parts)]
    return sorted(found, key=lambda p: (p.name != 'index.ipynb', len(p.relative_to(folder).parts), str(p)))


def directives(source):
    "The leading `#| name: value` lines of a cell as a dict, and the code behind them."
    lines, found = source.splitlines(), {}
    while lines and (m := re.match(r'#\|\s*([\w-]+):?\s*(.*)', lines[0])): found[m[1]] = m[2].strip(); lines.pop(0)
    return found, '\n'.join(lines).strip('\n')


def public_names(source):
    "Functions and classes that a cell defines at its top level; private ones and methods added by `patch` left out."
    found = [n for n in ast.parse(source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name[0] != '_']
    return [n.name for n in found if not any('patch' in ast.unparse(d) for d in n.decorator_list)]


class Page:
    "One notebook: its cells, the module it exports to and the public names that it defines."
    def __init__(self, path, folder=NBS):
        self.path, self.name = path, path.relative_to(folder).as_posix()
        self.cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        self.module, self.symbols = None, []
        for c in self.cells:
            if c['cell_type'] != 'code': continue
            found, code = directives(text(c['source']))
            if 'default_exp' in found: self.module = f'infsa.{found["default_exp"]}'
            if 'export' in found: self.symbols += public_names(code)


def link_symbols(markdown, page, where):
    "Turn `name` in backticks into a link: a symbol to its definition, a notebook to its page, by `where`. Code fences and headings stay."
    def link(m):
        target = where.get(m[1])
        if target is None: return m[0]
        if m[1] == target.path.stem: return m[0] if target is page else f'[`{m[1]}`]({relative(target, page)})'
        return f'[`{m[1]}`]({"" if target is page else relative(target, page)}#{m[1].lower()})'
    parts = re.split(r'(^```.*?^```|^#.*?$)', markdown, flags=re.M | re.S)
    return ''.join(p if i % 2 else re.sub(r'(?<![\[`])`(\w+)`(?!`|\])', link, p) for i, p in enumerate(parts))


def relative(target, page):
    "Address of `target` as seen from `page`."
    return posixpath.relpath(target.name, posixpath.dirname(page.name) or '.')


def cell_of_table(value):
    "A value as it fits into a cell of a Markdown table."
    return str(value).replace('|', '\\|').replace('\n', ' ')


def starred(name, kind):
    "The name of a parameter as a signature writes it."
    return {inspect.Parameter.VAR_POSITIONAL: '*', inspect.Parameter.VAR_KEYWORD: '**'}.get(kind, '') + name


def arguments_table(symbol):
    "Arguments of a function or class with their types, defaults and docments; empty when nothing is said of any."
    from fastcore.docments import docments
    try: found = docments(symbol, full=True, returns=True, args_kwargs=True)
    except (TypeError, ValueError, OSError): return ''
    rows = []
    for name, d in found.items():
        kind = '' if d.anno is inspect.Parameter.empty or d.anno is None else getattr(d.anno, '__name__', str(d.anno)) if isinstance(d.anno, type) else str(d.anno)
        default = '' if d.default is inspect.Parameter.empty else repr(d.default)
        if name == 'return': name, default = '**returns**', ''
        else: name = f'`{starred(name, d.kind)}`'
        if name != '`self`' and (d.docment or name != '**returns**'): rows.append((name, kind, default, d.docment or ''))
    if not any(r[3] for r in rows): return ''
    code = lambda v: f'`{cell_of_table(v)}`' if v else ''
    return '\n'.join(['| argument | type | default | |', '|---|---|---|---|'] + [f'| {n} | {code(k)} | {code(d)} | {cell_of_table(s)} |' for n, k, d, s in rows])


def card(name, module, level=3, root=''):
    "Heading, source link below `root`, signature, docstring and arguments of the public `name` of `module`; its methods behind it."
    owner = import_module(module)
    for part in name.split('.'): symbol = owner = inspect.getattr_static(owner, part)
    if isinstance(symbol, property): symbol = symbol.fget
    line = inspect.getsourcelines(inspect.unwrap(symbol))[1]
    try: bare = ', '.join(starred(n, p.kind) for n, p in inspect.signature(symbol).parameters.items() if n != 'self')
    except ValueError: bare = '...'  # an exception without a signature of its own
    doc = inspect.cleandoc(symbol.__doc__ or '')
    if doc.startswith(f'{name}('): doc = ''  # what a dataclass writes for want of a docstring
    kind = 'class ' if inspect.isclass(symbol) else ''
    source = f'<a class="source" href="{root}source/{module.removeprefix("infsa.")}.html#L-{line}">source</a>'
    out = [f'{"#"*level} {name}', source, f'```python\n{kind}{name}({bare})\n```', doc, arguments_table(symbol)]
    if inspect.isclass(symbol):
        defined = {n: f.fget if isinstance(f, property) else f for n, f in vars(symbol).items() if n[0] != '_'}
        own = [n for n, f in defined.items() if inspect.isfunction(f) and f.__module__ == module and (f.__doc__ or n == 'forward')]  # others are shown where they are defined
        out += [card(f'{name}.{n}', module, level + 1, root) for n in own]
    return '\n\n'.join(o for o in out if o)


def visible(page):
    "Yield (kind, source, outputs, collapsed) for what a reader sees: kind is 'md', 'code', or 'api' with a list of names."
    for c in page.cells:
        source = text(c['source'])
        if c['cell_type'] == 'markdown': yield 'md', source, [], False; continue
        found, code = directives(source)
        if c['cell_type'] != 'code' or not code or 'hide' in found or 'default_exp' in found: continue
        outputs = c.get('outputs', [])
        if 'export' in found:
            names = public_names(code)
            if names: yield 'api', names, [], False
            imports = all(isinstance(n, (ast.Import, ast.ImportFrom, ast.With)) for n in ast.parse(code).body)
            yield 'code', code, outputs, imports or len(code.splitlines()) > 12
        elif found.get('echo') == 'false': yield 'code', '', outputs, False
        elif found.get('echo') == 'true' or not all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(re.sub(r'^[%!].*$', 'pass', code, flags=re.M)).body) or outputs:
            yield 'code', code, outputs, bool(set(FLAGS) & set(found))


def is_markdown(output): return 'text/markdown' in output.get('data', {})


def myst(page, where, toctree=''):
    "The page as a notebook for myst-nb: outputs kept, API cards in place of exported definitions."
    cells = []
    def md(s): cells.append(dict(cell_type='markdown', metadata={}, source=link_symbols(s, page, where)))
    for kind, source, outputs, collapsed in visible(page):
        if kind == 'md': md(source)
        elif kind == 'api':
            for name in source: md(card(name, page.module, root='../'*page.name.count('/')))
        else:
            tags = ['remove-input'] if not source else ['hide-input'] if collapsed else []
            kept = [clean_output(o) for o in outputs if not is_markdown(o)]
            cells.append(dict(cell_type='code', execution_count=1, metadata=dict(tags=tags), source=source or 'pass', outputs=kept))
            for o in outputs:
                if is_markdown(o): md(text(o['data']['text/markdown']))
    if toctree: md(toctree)
    for i, c in enumerate(cells): c['id'] = f'c{i}'
    return dict(cells=cells, metadata=dict(kernelspec=dict(name='python3', display_name='python3', language='python')), nbformat=4, nbformat_minor=5)


def clean_output(output):
    "An output without the repr of figures that stand beside it, and without terminal colours."
    output = json.loads(json.dumps(output))
    data = output.get('data', {})
    if 'image/png' in data: data.pop('text/plain', None)
    if 'text' in output: output['text'] = re.sub(r'\x1B\[[0-9;]*[A-Za-z]', '', text(output['text']))
    if output['output_type'] == 'execute_result': output['execution_count'] = 1
    return output


def first_sentence(markdown):
    "First sentence of a Markdown cell in plain text, for the picture above it; empty for a heading, table or list."
    paragraph = markdown.strip().split('\n\n')[0]
    if re.match(r'#|\||```|> |[-+*] |\d+\. ', paragraph): return ''
    plain = re.sub(r'!?\[([^\]]*)\]\([^)]*\)|[*`$\\]|<[^>]*>', r'\1', ' '.join(paragraph.split()))
    return re.split(r'(?<=[.?!])\s', plain)[0]


def markdown(page, images, where_images):
    "The page as one Markdown document; its pictures are written to the folder `images` and linked below `where_images`."
    out, n, seen = [], 0, list(visible(page))
    below = [source if kind == 'md' else '' for kind, source, _, _ in seen[1:]] + ['']
    for (kind, source, outputs, _), caption in zip(seen, below):
        if kind == 'api': continue
        out.append(f'```python\n{source}\n```' if kind == 'code' and source else source if kind == 'md' else '')
        for o in outputs:
            data = o.get('data', {})
            if 'image/png' in data:
                n += 1
                images.mkdir(exist_ok=True)
                (images/f'{page.path.stem}_{n}.png').write_bytes(base64.b64decode(text(data['image/png'])))
                width = o.get('metadata', {}).get('image/png', {}).get('width')
                shown = f'src="{where_images}/{page.path.stem}_{n}.png" alt="{html.escape(first_sentence(caption))}"'
                out.append(f'<img {shown}' + (f' width="{width}"' if width else '') + '>')
            elif is_markdown(o): out.append(text(data['text/markdown']))
            elif 'text/plain' in data: out.append('```text\n' + text(data['text/plain']).rstrip() + '\n```')
            elif 'text' in o: out.append('```text\n' + clean_output(o)['text'].rstrip() + '\n```')
    return '\n\n'.join(o.strip('\n') for o in out if o.strip()) + '\n'
