"Pages made here, each with a fault that a browser sees, and what `tools/check_site.py` says of it."
import re, sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent/'tools'))
import check_site
from check_site import NoBrowser, browser_path, check, pages_of, says_nothing

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="margin: 0"><main><h1>A page</h1>{}</main></body></html>"""
DOT = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"
WORDS = 'A line that falls from left to right.'
WIDE = '<div style="width: {}px">a box</div>'
SCROLLS = ('<div style="overflow-x: auto; width: 300px; white-space: nowrap"{}>'
           f'<p>{"long and longer " * 20}</p></div>')
ALL = '1280 light', '1280 dark', '390 light', '390 dark'
SEARCH = """<ul id="search-results"></ul><script>
const asked = new URLSearchParams(location.search).get('q')
if (asked === 'katz' && location.protocol !== '{}:')
  document.querySelector('ul').innerHTML = '<li><a href="index.html">katz</a></li>'</script>"""
FAULTS = {  # name: (what stands on the page, where it is found, what is said)
    'console': ('<script>console.error("oh no")</script>', ALL[::2], 'console: oh no'),
    'throws': ('<script>throw Error("thrown")</script>', ALL[::2], 'page error: thrown'),
    'missing': (f'<img alt="{WORDS}" src="none.png">', ALL[::2],
                r'answer 404: http://127\.0\.0\.1:\d+/none\.png'),
    'wide': (WIDE.format(1500), ALL, r'1500 pixels wide: div'),
    'narrow': (WIDE.format(600), ALL[2:], r'600 pixels wide: div'),
    'fold': (f'<details><summary>More</summary>{WIDE.format(700)}</details>', ALL[2:],
             '700 pixels wide: div'),
    'inline': (r'<p>where \(x = 1\) holds</p>', ALL, r'raw formula "\\+\(x = 1'),
    'display': (r'<p>so \[x = 1\]</p>', ALL, r'raw formula "\\+\[x = 1'),
    'dollars': ('<p>so $$x = 1$$</p>', ALL, r'raw formula "\$\$x = 1'),
    'dollar': (r'<p>so $\rho A$ it is</p>', ALL, r'raw formula "\$\\+rho A'),
    'merror': ('<mjx-container><mjx-merror>Missing brace</mjx-merror></mjx-container>', ALL,
               'formula with an error: Missing brace'),
    'unknown': ('<mjx-container><mjx-mtext style="color: red; background: black">no</mjx-mtext>'
                '</mjx-container>', ALL, 'formula with an error: no'),
    'file': (f'<img alt="plots/a_1.png" src="{DOT}">', ALL, r"picture .*'plots/a_1\.png' says not"),
    'faint': ('<p style="color: #bbb">pale on white</p>', ALL[::3], 'axe color-contrast'),
    'dark': ('<style>@media (prefers-color-scheme: dark) { p { color: #333; background: #000 } }'
             '</style><p>dark on black</p>', ALL[3:], 'axe color-contrast'),
    'nameless': ('<p><a href="index.html"></a></p>', ALL[::3], r'axe link-name \(serious\)'),
    'unreached': (SCROLLS.format(''), ALL[::3], 'axe scrollable-region-focusable'),
    'stays': ('<script>document.documentElement.dataset.theme = "light"</script>', ALL[1::2],
              'the page keeps the other colours'),
    'never': ('<script>MathJax = {startup: {promise: Promise.reject(Error("never"))}}\n'
              'MathJax.startup.promise.catch(() => 0)</script>', ALL[:1],
              'cannot be looked at: .*never')}
CLEAN = {
    'index': f'<p>All <a href="index.html">is well</a>.</p><img alt="{WORDS}" src="{DOT}">',
    'code': r'<pre tabindex="0">cost = "$$" + r"\(x\)"</pre><p><code>\(x\)</code>, $5.</p>',
    'fades': ('<style>p { animation: f 99s } @keyframes f { from { opacity: .2 } }</style>'
              '<details><summary>More</summary><p>words that fade in</p></details>'),
    'scrolls': SCROLLS.format(' tabindex="0"'),
    'formula': r'<p hidden>\(x\)</p><mjx-container>\(x\)</mjx-container>'}


def need_browser():
    if check_site.async_playwright is None: pytest.skip('Playwright is not installed')
    try: browser_path('')
    except NoBrowser: pytest.skip('no Chromium on PATH and none in CHROMIUM')


def write(folder, **pages):
    for name, body in pages.items():
        (folder/f'{name}.html').write_text(PAGE.format(body), encoding='utf-8')
    return folder


@pytest.fixture(scope='module')
def said(tmp_path_factory):
    "What is said of all pages with a fault and of the clean ones, in one visit."
    need_browser()
    check_site.WAIT = 1000
    site = write(tmp_path_factory.mktemp('site'), search=SEARCH.format('file'), **CLEAN,
                 **{n: body for n, (body, _, _) in FAULTS.items()})
    return check(site)


@pytest.mark.parametrize('name', FAULTS)
def test_a_fault_is_named_where_it_is_seen_and_nothing_else(said, name):
    _, where, what = FAULTS[name]
    found = [l for l in said if l.startswith(f'{name}.html')]
    assert [l.split(': ')[0] for l in found] == [f'{name}.html {w}' for w in where]
    assert all(re.match(what, l.split(': ', 1)[1]) for l in found), found


@pytest.mark.parametrize('name', CLEAN)
def test_nothing_is_said_of_a_clean_page(said, name):
    assert not [l for l in said if l.startswith(f'{name}.html')]


def test_a_search_that_finds_nothing_is_named(said):
    assert [l for l in said if l.startswith('search.html')] == [
        f'search.html: {t} is not found over {s}' for t, s in (
            ("'InfSAttention'", 'http'), ("'katz'", 'file'), ("'InfSAttention'", 'file'))]


def test_other_hosts_are_asked_for_nothing(tmp_path):
    need_browser()
    body = f'<img alt="{WORDS}" src="http://other.example/a.png">'
    found = check(write(tmp_path, index=body, search=SEARCH.format('none')), ['index.html'],
                  terms=['katz'])
    assert [l.split(' ', 3)[-1] for l in found[:2]] == [
        'asks another host: http://other.example/a.png',
        'request failed: http://other.example/a.png (net::ERR_NAME_NOT_RESOLVED)']
    assert len(found) == 4


@pytest.mark.parametrize('alt, why', [
    ('', 'no alt text'), ('  ', 'no alt text'), ('a.png', 'says nothing'),
    ('Picture made by the code above', 'says nothing'), ('two words', 'says nothing'),
    ('<Figure size 800x400 with 1 Axes>', 'says nothing'), (WORDS, ''),
    ('Pictures of four heads, each on a part of the digit', '')])
def test_words_of_a_picture_say_what_is_seen(alt, why):
    assert why in (says_nothing(alt) or '') and bool(says_nothing(alt)) == bool(why)


def test_of_the_sources_a_sample_is_opened(tmp_path):
    for name in ('index', 'a/b', '_static/theme', *(f'source/{i}' for i in range(7))):
        (tmp_path/name).parent.mkdir(exist_ok=True)
        (tmp_path/f'{name}.html').touch()
    sources = [f'source/{i}.html' for i in (0, 3, 6)]
    assert pages_of(tmp_path, 3) == ['a/b.html', 'index.html', *sources]


@pytest.mark.parametrize('env, code, words', [
    (dict(CHROMIUM='/no/browser'), 'check_site: CHROMIUM names /no/browser, which is not a program',
     ''),
    (dict(PATH='', PLAYWRIGHT_BROWSERS_PATH='/no/browser'), 3, 'check_site: no Chromium;')])
def test_a_missing_browser_is_said_in_one_line(tmp_path, monkeypatch, capsys, env, code, words):
    if check_site.async_playwright is None: pytest.skip('Playwright is not installed')
    monkeypatch.delenv('CHROMIUM', raising=False)
    for name, value in env.items(): monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, 'argv', ['check_site.py', '--site', str(write(tmp_path, index=''))])
    with pytest.raises(SystemExit) as e: check_site.main()
    out = capsys.readouterr().out
    assert e.value.code == code and out.startswith(words) and out.count('\n') == bool(words)


def test_a_missing_playwright_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(check_site, 'async_playwright', None)
    monkeypatch.setattr(sys, 'argv', ['check_site.py', '--site', str(write(tmp_path, index=''))])
    with pytest.raises(SystemExit, match='Playwright or axe-core is missing'): check_site.main()
