"The tools that turn notebooks into the site and the README, on small notebooks made here."
import base64, html, json, os, re, shutil, subprocess, sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent/'tools'))
from build_docs import toctree, write_map, write_sources
from card import card as link_card, walks
from check_links import problems
from pages import (NBS, Page, arguments_table, card, directives, first_sentence, link_symbols,
                   markdown, myst, notebooks, public_names, visible)
from readme import readme
from run_nbs import refuse_dirty, run
from run_tests import free_gib, run_notebook, run_pytest, parts_of, to_record

PNG = base64.b64encode(b'\x89PNG not really').decode()


def notebook(folder, name, *cells):
    "Write a notebook of (kind, source, outputs) cells and read it as a page."
    made = [dict(cell_type='markdown' if kind == 'md' else 'code', id=str(i), metadata={},
                 source=source,
                 **({} if kind == 'md' else dict(execution_count=None, outputs=outputs)))
            for i, (kind, source, *outputs) in enumerate(cells)]
    path = folder/name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(cells=made, metadata={}, nbformat=4, nbformat_minor=5)))
    return Page(path, folder)


def result(**data):
    return dict(output_type='execute_result', execution_count=7, metadata={},
                data={k.replace('_', '/'): v for k, v in data.items()})


def test_directives_are_split_from_the_code():
    assert (directives('#| export\n#| echo: false\n\nx = 1\n#| late')
            == ({'export': '', 'echo': 'false'}, 'x = 1\n#| late'))


def test_public_names_leave_out_private_and_patched():
    assert (public_names('def f(): 1\ndef _g(): 2\nclass C: 3\n@patch\ndef h(self:C): 4\nx = 5')
            == ['f', 'C'])


def test_symbols_become_links_but_not_in_code_or_headings(tmp_path):
    here, there = notebook(tmp_path, '00_a.ipynb'), notebook(tmp_path, 'tutorials/b.ipynb')
    where = dict(Thing=here)
    assert link_symbols('see `Thing`', there, where) == 'see [`Thing`](../00_a.ipynb#thing)'
    assert link_symbols('see `Thing`', here, where) == 'see [`Thing`](#thing)'
    for s in ('# `Thing`', '```\n`Thing`\n```', '[`Thing`](x)', '`Other`'):
        assert link_symbols(s, there, where) == s


def test_pages_are_called_by_their_titles(tmp_path):
    here = notebook(tmp_path, '1_a/10_a.ipynb', ('md', '# One *hop*, `one` row\n> And more.'))
    there = notebook(tmp_path, '2_b/20_b.ipynb', ('code', '1'))
    where = {'10_a': here, '20_b': there}
    assert here.title == 'One hop, one row' and there.title == '20_b'
    link = '[One hop, one row](../1_a/10_a.ipynb)'
    for s in ('`10_a`', '[`10_a`](../1_a/10_a.ipynb)', '[nbs/1_a/10_a.ipynb](../1_a/10_a.ipynb)'):
        assert link_symbols(f'see {s}.', there, where) == f'see {link}.'
    assert link_symbols('`10_a`', here, where) == 'One hop, one row'
    for s in ('[this page](../1_a/10_a.ipynb#x)', '[`10_a`](x.html)', '```\n`10_a`\n```'):
        assert link_symbols(s, there, where) == s


def test_a_page_carries_its_subtitle_for_links_to_it(tmp_path):
    said = notebook(tmp_path, 'a.ipynb', ('md', '# T\n\n> One *line*\n> of $\\rho$.\n\nMore.'))
    silent = notebook(tmp_path, 'b.ipynb', ('md', '# T\n\nNo subtitle.\n\n> A quotation.'))
    made = myst(said, {})['metadata']
    assert (said.subtitle, silent.subtitle) == ('One line of rho.', '')
    assert (made['og:description'] == made['myst']['html_meta']['description'] == said.subtitle
            and set(myst(silent, {})['metadata']) == {'kernelspec'})


def test_the_map_names_every_page_by_its_address(tmp_path):
    pages = [notebook(tmp_path, f'{n}.ipynb', ('md', '# T')) for n in ('index', '1_a/10_b')]
    write_map(tmp_path, pages)
    ini = ConfigParser(delimiters=['='])
    ini.read(NBS.parent/'settings.ini', encoding='utf-8')
    start = ini['DEFAULT']['doc_host'] + ini['DEFAULT']['doc_baseurl']
    tree = ElementTree.parse(tmp_path/'sitemap.xml').getroot()
    assert [e.text for e in tree.iter('{http://www.sitemaps.org/schemas/sitemap/0.9}loc')] == [
        f'{start}/index.html', f'{start}/1_a/10_b.html']
    assert f'Sitemap: {start}/sitemap.xml' in (tmp_path/'robots.txt').read_text().splitlines()


def test_the_card_has_the_size_that_sites_ask_for_and_true_maps(tmp_path):
    link_card().savefig(tmp_path/'card.png')
    size = (tmp_path/'card.png').read_bytes()[16:24]
    assert [int.from_bytes(size[i:i + 4], 'big') for i in (0, 4)] == [1200, 630]
    torch.manual_seed(0)
    photo = torch.rand(416, 416, 3)
    x = torch.stack([photo[i:i + 52, j:j + 52].flatten().double()
                     for i in range(0, 416, 52) for j in range(0, 416, 52)])
    a = ((x - x.mean(0)) @ (x - x.mean(0)).T).relu()
    step = 0.95*a/a.norm()
    hops = [step.matrix_power(t).sum(1).view(8, 8) for t in range(1, 400)]
    torch.testing.assert_close(walks(photo), [*hops[:3], sum(hops)], rtol=1e-4, atol=0)


def test_sources_have_an_anchor_for_each_line(tmp_path):
    write_sources(tmp_path/'source')
    page = (tmp_path/'source/theory.graph.html').read_text(encoding='utf-8')
    lines = (NBS.parent/'infsa/theory/graph.py').read_text(encoding='utf-8').count('\n')
    assert f'id="L-{lines}"' in page and f'id="L-{lines + 1}"' not in page
    assert '<html lang="en">' in page and '<h1>infsa.theory.graph</h1>' in page


def test_tables_in_html_scroll_by_themselves(tmp_path):
    table = '<table border="1">\n<tr><td>1</td></tr>\n</table>'
    page = notebook(tmp_path, 'a.ipynb', ('md', f'Before.\n\n{table}\n\nAfter.'))
    assert (f'\n<div class="pst-scrollable-table-container">{table}</div>\n'
            in myst(page, {})['cells'][0]['source'])


def test_reading_order(tmp_path):
    made = ('2_c/20_a', 'index', 'tutorials/a', '1_b/11_b', '00_a', '.hidden/x', '_draft',
            '1_b/11a_a')
    for n in made: notebook(tmp_path, f'{n}.ipynb')
    found = [p.relative_to(tmp_path).with_suffix('').as_posix() for p in notebooks(tmp_path)]
    assert found == ['index', '00_a', '1_b/11_b', '1_b/11a_a', '2_c/20_a', 'tutorials/a']


def test_the_story_comes_first_and_is_marked(tmp_path):
    story = lambda k: ('md', f'*Story {k} of 10 · before: [A](a.ipynb)*')
    pages = [notebook(tmp_path, f'{n}.ipynb', ('md', f'# {n[-1].upper()}'), *more) for n, *more in (
        ('0_start/00_sixty_lines',), ('1_theory/10_b', story(2)), ('1_theory/11_c',),
        ('1_theory/12_d', story(1)), ('tutorials/e',))]
    assert [p.story for p in pages] == [0, 2, None, 1, None]
    blocks = re.findall(r':caption: (.*)\n\n((?:.+\n)+)```', toctree(pages))
    assert [(c, b.splitlines()) for c, b in blocks] == [
        ('The story', ['0_start/00_sixty_lines', '1 · D <1_theory/12_d>', '2 · B <1_theory/10_b>']),
        ('Start', ['Start here · S <0_start/00_sixty_lines>']),
        ('Theory', ['Story 1 · D <1_theory/12_d>', 'Story 2 · B <1_theory/10_b>', '1_theory/11_c']),
        ('More', ['tutorials/e'])]


def test_card_of_a_class_has_its_arguments_and_methods():
    made = card('InfSAttention', 'infsa.models.attention')
    assert ('class InfSAttention(embed_dim, num_heads' in made
            and '| `rho` | `float` | `0.95` |' in made)
    assert 'id="infsattention.forward"' in made and 'source/models.attention.html#L-' in made
    assert ('| `mask` |' in arguments_table(__import__('infsa.theory.graph',
                                                       fromlist=['token_graph']).token_graph))


def test_collected_arguments_have_their_stars_and_words():
    import infsa
    # shown on the page that defines it
    assert (hasattr(infsa.InfViT, 'stream')
            and 'InfViT.stream' not in card('InfViT', 'infsa.models.vit'))
    assert ('| `**overrides` |' in card('create_model', 'infsa.models.vit')
            and 'create_model(name, **overrides)' in card('create_model', 'infsa.models.vit'))
    returns = [l for l in card('create_model', 'infsa.models.vit').splitlines()
               if l.startswith('| **returns**')]
    assert not returns or 'replace' not in returns[0]


def test_hidden_cells_stay_hidden_and_markdown_outputs_become_cells(tmp_path):
    page = notebook(tmp_path, '00_a.ipynb', ('code', '#| default_exp theory.graph'),
                    ('md', '# Title'), ('code', '#| hide\nsecret = 1'),
                    ('code', '#| export\ndef token_graph(): pass'), ('code', 'import os'),
                    ('code', 'x', result(image_png=PNG, text_plain='<Figure>')),
                    ('code', '#| echo: false\nshow()',
                     result(text_markdown='| a |', text_plain='o')))
    cells = myst(page, {s: page for s in page.symbols})['cells']
    everything = json.dumps(cells)
    assert not any(s in everything for s in ('secret', 'import os', '<Figure>'))
    assert any(c['cell_type'] == 'markdown' and c['source'] == '| a |' for c in cells)
    assert [c['metadata']['tags'] for c in cells if c['source'] == 'pass'] == [['remove-input']]


def test_exported_code_is_seen_and_its_card_is_folded(tmp_path):
    first = 'EPS = 1\n\ndef token_graph(): pass'
    second = '@f\ndef _no(): pass\ndef pagerank(): pass\nX = 2'
    page = notebook(tmp_path, '00_a.ipynb', ('code', '#| default_exp theory.graph'),
                    ('code', f'#| export\n{first}\n\n{second}'),
                    ('code', '#| export\nA = 1\nB = 2'))
    assert [(kind, source) for kind, source, _, _ in visible(page)] == [
        ('head', 'token_graph'), ('export', first), ('api', 'token_graph'),
        ('head', 'pagerank'), ('export', second), ('api', 'pagerank'),
        ('export', 'A = 1\nB = 2')]
    cells = myst(page, {})['cells']
    assert [c['source'].split('\n')[0] for c in cells if c['cell_type'] == 'markdown'][::2] == [
        '### token_graph', '### pagerank']
    assert all('hide-input' not in c['metadata'].get('tags', []) for c in cells)
    card = cells[2]['source']
    assert card.startswith('<details') and card.endswith('</details>') and '| `mask` |' in card


def test_answers_and_slow_cells_are_folded(tmp_path):
    page = notebook(tmp_path, 'a.ipynb', ('code', '#| code-fold: true\n1/2'),
                    ('code', '#| slow\n2'))
    made = [c['metadata'] for c in myst(page, {})['cells']]
    assert [m['tags'] for m in made] == [['hide-cell'], ['hide-input']]
    assert [m['mystnb']['code_prompt_show'] for m in made] == ['Answer', 'Show the code']


def test_a_page_that_shows_its_imports_shows_those(tmp_path):
    page = notebook(tmp_path, '00_a.ipynb', ('code', '#| echo: true\nimport sys'),
                    ('code', 'import os'), ('code', '#| export\nimport re'), ('code', 'os.sep'))
    assert [(s, fold) for _, s, _, fold in visible(page)] == [
        ('import sys', ''), ('import re', 'Imports'), ('os.sep', '')]


def test_other_pages_gather_the_imports_that_are_used_in_one_fold(tmp_path):
    page = notebook(tmp_path, '00_a.ipynb', ('md', '# T'), ('code', '#| export\nimport re, os'),
                    ('code', '#| hide\nimport math as m\nfrom sys import (path,\n  argv)'),
                    ('code', '#| hide\nimport json'), ('code', '#| slow\nimport glob'),
                    ('code', 'import re, os'), ('code', 'm.pi, re, path'),
                    ('code', '#| hide\njson'))
    gathered = 'import re, os\nimport math as m\nfrom sys import (path,\n  argv)'
    assert [(s, fold) for _, s, _, fold in visible(page)][1:3] == [
        (gathered, 'Imports'), ('import glob', 'Show the code')]
    assert gathered not in markdown(page, tmp_path, '')


def test_running_a_notebook_replaces_old_outputs_and_keeps_those_of_flagged_cells():
    folder = NBS/'_test_run'  # settings.ini must lie above
    try:
        page = notebook(folder, 'a.ipynb', ('code', 'x = 1', result(text_plain='old')),
                        ('code', 'x + 1', result(text_plain='old')),
                        ('code', '#| slow\n1/0', result(text_plain='kept')))
        run(page.path)
        assert ([[o['data']['text/plain'] for o in c['outputs']]
                 for c in Page(page.path, folder).cells] == [[], [['2']], ['kept']])
    finally: shutil.rmtree(folder)


@pytest.mark.parametrize('flags, commit, refused',
                         [('slow', 'ab-dirty', True), ('slow', 'ab', False), ('slow', None, False),
                          ('', 'ab-dirty', False)])
def test_slow_cells_are_refused_when_files_differ_from_the_commit(monkeypatch, flags, commit, refused):
    monkeypatch.setattr('infsa.command.environment', lambda: dict(commit=commit))
    if not refused: return refuse_dirty(flags.split())
    with pytest.raises(SystemExit, match='commit them first, or add --allow-dirty'):
        refuse_dirty(flags.split())


@pytest.mark.parametrize('flags, passes', [('', True), ('slow', False)])
def test_flagged_cells_are_tested_only_when_asked_for(flags, passes):
    folder = NBS/f'_test_flags{flags}'
    try:
        page = notebook(folder, 'a.ipynb', ('code', 'x = 1'), ('code', '#| slow\n1/0'),
                        ('code', 'assert x == 1'))
        assert run_notebook(page.path, flags)[0] == passes
    finally: shutil.rmtree(folder)


def test_a_failure_has_its_name_and_its_traceback(tmp_path):
    (tmp_path/'tests').mkdir()
    (tmp_path/'tests/test_a.py').write_text(
        'import pytest\n@pytest.mark.parametrize("i", [0, 1])\n'
        'def test_b(i): assert i == 0, "one is not zero"\ndef test_c(): pytest.skip()\n'
        '@pytest.fixture\ndef broken(): 1/0\ndef test_d(broken): pass\n')
    passed, failed, output, seconds = run_pytest(['tests/test_a.py'], tmp_path, root=tmp_path)
    assert (passed, failed) == (1, ['tests/test_a.py::test_b[1]', 'tests/test_a.py::test_d'])
    assert ('one is not zero' in output and 'ZeroDivisionError' in output and set(seconds)
            == {f'tests/test_a.py::test_{c}' for c in 'bcd'})
    (tmp_path/'tests/test_a.py').write_text('def test_b(:')
    assert run_pytest(['tests/test_a.py'], tmp_path, root=tmp_path)[1] != []


def test_long_tests_get_a_process_of_their_own():
    here, long = Path(__file__), test_long_tests_get_a_process_of_their_own.__name__
    seconds = {f'tests/test_tools.py::{long}': 7., 'tests/test_tools.py::test_gone': 9.}
    assert parts_of(here, seconds) == {
        f'tests/test_tools.py::{long}': [f'tests/test_tools.py::{long}'],
        'tests/test_tools.py': ['tests/test_tools.py', f'--deselect=tests/test_tools.py::{long}']}
    assert (to_record({'nbs/a.ipynb': 3., 'tests/b.py::c': 12., 'tests/b.py::d': 4.,
                       'tests/b.py::e': 1.})
            == {'nbs/a.ipynb': 3., 'tests/b.py': 5., 'tests/b.py::c': 12.})


def check_portable(*args):
    return subprocess.run(['bash', NBS.parent/'tools/check_portable.sh', *map(str, args)],
                          env=dict(os.environ, PYTHON=sys.executable), capture_output=True,
                          text=True)


def test_each_combination_is_a_row_and_a_failure_is_the_exit_code():
    folder = NBS/'_test_portable'
    try:
        page = notebook(folder, 'a.ipynb',
                        ('code', "import os\nassert os.environ['OMP_NUM_THREADS'] == '2' and "
                         "os.environ['MKL_ENABLE_INSTRUCTIONS'] == 'AVX2', 'not here'"))
        result = check_portable('--only', 'AVX2/default/2 SSE4_2/native/2', page.path)
    finally: shutil.rmtree(folder)
    rows = [l.split()[:3] for l in result.stdout.splitlines()[-3:]]
    assert result.returncode == 1 and rows == [['combination', 'passed', 'failed'],
                                               ['AVX2/default/2', '1', '0'],
                                               ['SSE4_2/native/2', '0', '1']], result
    assert 'failed:\n  nbs/_test_portable/a.ipynb' in result.stdout and 'not here' in result.stdout


def test_combinations_are_listed_and_mistakes_refused():
    assert (check_portable('--list').stdout.split()[::4]
            == ['AVX2/default/1', 'SSE4_2/default/1', 'busy']
            and 'examples:' in check_portable('--help').stdout)
    for args, word in ((['--only', 'AVX3/default/1'], 'AVX3/default/1'),
                       (['--torch', '2'], '2.11.0'), (['none.ipynb'], 'none.ipynb'),
                       (['--ony'], '--ony'), (['--only'], 'needs a value')):
        result = check_portable(*args)
        assert result.returncode == 2 and word in result.stderr, result
        assert len(result.stderr.splitlines()) == 1, result


def test_readme_is_the_same_twice_and_links_into_nbs(tmp_path):
    page = notebook(tmp_path/'nbs', 'index.ipynb',
                    ('md', '# T\n[a](00_a.ipynb#b) [b](4_c/40_d.ipynb)'),
                    ('code', 'plot()', result(image_png=PNG)),
                    ('code', 'y', result(text_plain='42')))
    page.path = tmp_path/'nbs'/'index.ipynb'
    first = readme(page, tmp_path)
    assert first == readme(page, tmp_path)
    assert '[a](nbs/00_a.ipynb#b) [b](nbs/4_c/40_d.ipynb)' in first
    assert '```text\n42\n```' in first and 'index_files/index_1.png' in first
    assert (tmp_path/'index_files'/'index_1.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize('below, alt', [
    ('Two *ways* to [look](a.ipynb#b) at `x`. The rest\nis longer.\n\nMore.',
     'Two ways to look at x.'),
    ('See it. Heads *share* out. More is said.', 'See it. Heads share out. More is said.'),
    ('Left one. Right the other, but smaller. No more.', 'Left one. Right the other, but smaller.'),
    ('Few words.', 'Few words.'),
    ('A line that is\nbroken, "quoted", and $\\rho$? Yes.',
     'A line that is broken, "quoted", and rho?'),
    ('At $\\rho\\lambda=0.5$ it\npasses $10^{13}\\,$.', 'At rho lambda=0.5 it passes 10^13.'),
    ('## A heading', ''), ('| a | b |\n|---|---|', ''), ('- a list. With more', ''),
    ('1. a list', ''), ('```sh\nmake\n```', '')])
def test_the_sentence_below_a_picture_is_its_alt_text(tmp_path, below, alt):
    page = notebook(tmp_path/'nbs', 'index.ipynb', ('md', '# T'),
                    ('code', 'plot()', result(image_png=PNG)),
                    ('code', '#| hide\nassert True'), ('md', below))
    text = markdown(page, tmp_path/'index_files', 'index_files')
    assert f'alt="{html.escape(alt)}"' in text and first_sentence(below) == alt


@pytest.mark.parametrize('above, alt', [
    ('# A title', ''), ('A fact. Where do the\n*walks* go?', 'Where do the walks go?'),
    ('- a list', ''), ('First.\n\nA last one.', 'A last one.'), ('Text.\n\n| a |', ''),
    ('*Story 1 of 10 · next: B*', '')])
def test_a_picture_without_words_below_has_the_sentence_above(tmp_path, above, alt):
    page = notebook(tmp_path/'nbs', 'index.ipynb', ('md', above), ('code', 'x = 1'),
                    ('code', 'plot()', result(image_png=PNG)),
                    ('code', 'y', result(text_plain='42')), ('md', 'No.'))
    assert f'alt="{alt}"' in markdown(page, tmp_path/'index_files', 'index_files')
    assert myst(page, {})['cells'][2]['metadata']['mystnb']['image'] == dict(alt=alt)


def test_committed_readme_belongs_to_its_notebook(tmp_path):
    assert ((NBS.parent/'README.md').read_text(encoding='utf-8')
            == readme(Page(NBS/'index.ipynb'), tmp_path))


@pytest.mark.parametrize('body, found', [
    ('<a href="b.html#there">x</a><img src="p.png"><a href="https://example.org">out</a>', None),
    ('<a href="c.html">x</a>', 'c.html does not exist'),
    ('<a href="b.html#missing">x</a>', 'no such anchor'),
    ('<img src="q.png">', 'q.png does not exist'),
    ('<script src="https://cdn.example.org/x.js"></script>', 'from outside'),
])
def test_link_check(tmp_path, body, found):
    (tmp_path/'a.html').write_text(body)
    (tmp_path/'b.html').write_text('<p id="there">')
    (tmp_path/'p.png').write_bytes(b'')
    got = problems(tmp_path)
    assert not got if found is None else len(got) == 1 and found in got[0]


def test_every_command_is_there():
    ini = ConfigParser(delimiters=['='], interpolation=None)
    ini.read(NBS.parent/'settings.ini', encoding='utf-8')
    commands = dict(c.split('=') for c in ini['DEFAULT']['console_scripts'].split())
    assert set(commands) >= {'infsa_train', 'infsa_bench', 'infsa_stream'}
    for where in commands.values():
        module, name = where.split(':')
        assert callable(getattr(import_module(module), name)), where


def test_memory_that_holds_files_is_free(tmp_path):
    said = tmp_path/'meminfo'
    said.write_text('MemTotal: 25165824 kB\nMemFree: 1048576 kB\nMemAvailable: 22020096 kB\nCached: 20971520 kB\n')
    assert free_gib(said) == 21
    assert free_gib(tmp_path/'nothing') > 0
