"""Open the built site in a browser and say what a reader would stumble on, one line a problem.

Every page is opened in headless Chromium, 1280 and 390 pixels wide, light and dark, with all folds
open. Found are: errors in the console, requests that fail or leave for another host, pages wider
than the window, formulas that are not set, pictures without words, what axe-core calls serious
or critical, and a search that finds nothing, over http and from files."""
import argparse, asyncio, os, re, shutil, sys, threading
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

try: from playwright.async_api import Error, TimeoutError, async_playwright
except ImportError: async_playwright = None

ROOT = Path(__file__).resolve().parent.parent
WIDTHS, SCHEMES = (1280, 390), ('light', 'dark')
AXE = (1280, 'light'), (390, 'dark')  # each width and each scheme once: axe takes its time
AXE_IN = 'axe_playwright_python'  # the package that brings axe.min.js
TERMS = 'katz', 'InfSAttention'
WAIT = 10_000  # milliseconds for colours to change, and for a search to find
BROWSERS = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'
EXAMPLES = """examples:
  python tools/check_site.py                          all pages of _docs
  python tools/check_site.py --pages 93_hops index    pages whose address holds one of these
  python tools/check_site.py --site OTHER --jobs 1    another folder, one page at a time
  CHROMIUM=/usr/bin/google-chrome python tools/check_site.py

ends with 0: no problem, 1: problems, 2: wrong arguments, 3: no browser"""

LOOK = r"""async () => {
  await window.MathJax?.startup?.promise
  const found = [], wide = document.documentElement.clientWidth
  const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '')
    + [...e.classList].map(c => '.' + c).join('')
  const inside = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== 'visible') return true }
  if (document.documentElement.scrollWidth > wide) {
    const out = [...document.body.querySelectorAll('*')].find(
      e => e.getBoundingClientRect().right > wide + 1 && !inside(e))
    const most = `${document.documentElement.scrollWidth} pixels wide`
    found.push(most + (out ? `: ${name(out)}` : ''))
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement, s = texts.currentNode.data
    const raw = s.match(/(\\[(\[]|\$\$|\$\\?\w[^$]*\$).{0,40}/s)
    if (raw && !e.closest('script, style, pre, code, textarea, noscript, mjx-container')
        && e.checkVisibility()) found.push(`raw formula ${JSON.stringify(raw[0])}`)
  }
  for (const e of document.querySelectorAll('mjx-merror, mjx-mtext[style*="red"]'))
    found.push(`formula with an error: ${e.textContent.trim().slice(0, 60)}`)
  const pictures = [...document.querySelectorAll('img')].filter(
    e => !e.closest('[aria-hidden="true"]')).map(e => [e.currentSrc || e.src, e.alt])
  return {found, pictures}
}"""
RUN_AXE = """async () => {
  for (const a of document.getAnimations()) a.effect.getTiming().iterations < Infinity
    ? a.finish() : a.cancel()  // a fold that fades in has pale words
  return (await axe.run({resultTypes: ['violations'], preload: false})).violations
  .filter(v => ['serious', 'critical'].includes(v.impact))
  .map(v => [v.id, v.impact, v.nodes.length, v.nodes[0].target.join(' '),
             v.nodes[0].any[0]?.message])
}"""
FEWER_MARKS = """() => {  // thousands of spans in code: axe sees one of a colour
  const seen = new Set(), again = []
  for (const pre of document.querySelectorAll('pre')) {
    const ground = getComputedStyle(pre).backgroundColor
    for (const e of pre.querySelectorAll('span[class]')) {
      const kind = e.className + ground
      if (!e.children.length && seen.has(kind)) again.push(e)
      else seen.add(kind)
    }
  }
  for (const e of again) e.replaceWith(e.textContent)
  document.body.normalize()
}"""
IN_SCHEME = "scheme => [undefined, scheme].includes(document.documentElement.dataset.theme)"
OPEN_FOLDS = "() => document.querySelectorAll('details').forEach(e => e.open = true)"


class NoBrowser(Exception): "Neither `CHROMIUM` nor PATH nor Playwright knows a browser."


def says_nothing(alt):
    "Why the words of a picture tell a reader nothing; empty when they do."
    words = alt.strip()
    if not words: return 'no alt text'
    empty = r'[\w./-]+\.(png|jpe?g|svg|gif|webp)|(the )?(picture|image|figure|plot)\b.*' \
            r'\b(made|drawn|code|output)\b.*|<?figure size.*'
    if re.fullmatch(empty, words, re.I | re.S) or len(re.findall(r'\w+', words)) < 3:
        return f'alt text {words!r} says nothing'


def axe_source():
    "Text of axe-core, from the package that brings it."
    return (Path(find_spec(AXE_IN).origin).parent/'axe.min.js').read_text(encoding='utf-8')


def browser_path(own):
    "The Chromium to start: named by `CHROMIUM`, on PATH, or `own`, which Playwright downloads."
    if named := os.environ.get('CHROMIUM'):
        if path := shutil.which(named): return path
        sys.exit(f'check_site: CHROMIUM names {named}, which is not a program')
    for path in [*map(shutil.which, BROWSERS), own]:
        if path and Path(path).exists(): return path
    raise NoBrowser


def pages_of(site, sample=6):
    "Addresses of the pages below `site`; of the package's sources one in `sample`."
    found = [p.relative_to(site).as_posix() for p in sorted(site.rglob('*.html'))]
    found = [p for p in found if not p.startswith('_static/')]
    sources = [p for p in found if p.startswith('source/')]
    return [p for p in found if p not in sources] + sources[::sample]


class Quiet(SimpleHTTPRequestHandler):
    "Serves files and writes nothing about it, nor about a browser that has left."
    def log_message(self, *args): pass

    def handle(self):
        with suppress(ConnectionError): super().handle()


class Visit:
    "A tab that opens pages and gathers what goes wrong on them."
    def __init__(self, tab, host, axe):
        self.tab, self.host, self.axe = tab, host, axe
        self.here, self.problems = '', []
        tab.on('pageerror', lambda e: self.say(f'page error: {e.message}'))
        tab.on('console', self.console)
        tab.on('requestfailed', lambda r: self.say(f'request failed: {r.url} ({r.failure})'))
        tab.on('request', self.request)
        tab.on('response', lambda r: r.status < 400 or self.say(f'answer {r.status}: {r.url}'))

    def say(self, what):
        one = ' '.join(f'{self.here}: {what}'.split())
        if one not in self.problems: self.problems.append(one)

    def console(self, message):
        known = 'Failed to load resource' in message.text  # said by `request failed` already
        if message.type == 'error' and not known: self.say(f'console: {message.text}')

    def request(self, r):
        parts = urlsplit(r.url)
        if parts.scheme not in ('data', 'blob', 'file') and parts.netloc != self.host:
            self.say(f'asks another host: {r.url}')

    async def look(self, page):
        "Open a page in both widths and both schemes."
        for width in WIDTHS:
            await self.tab.set_viewport_size(dict(width=width, height=900))
            await self.tab.emulate_media(color_scheme=SCHEMES[0])
            self.here = f'{page} {width} {SCHEMES[0]}'
            await self.tab.goto(f'http://{self.host}/{page}')
            await self.tab.evaluate(OPEN_FOLDS)
            for scheme in SCHEMES:
                self.here = f'{page} {width} {scheme}'
                await self.tab.emulate_media(color_scheme=scheme)
                try: await self.tab.wait_for_function(IN_SCHEME, arg=scheme, timeout=WAIT)
                except TimeoutError: self.say('the page keeps the other colours')
                seen = await self.tab.evaluate(LOOK)
                for what in seen['found']: self.say(what)
                for src, alt in seen['pictures']:
                    if why := says_nothing(alt): self.say(f'picture {src[-60:]}: {why}')
                if (width, scheme) in AXE: await self.run_axe()

    async def run_axe(self):
        if not await self.tab.evaluate('() => !!window.axe'): await self.tab.evaluate(self.axe)
        await self.tab.evaluate(FEWER_MARKS)
        for rule, impact, n, where, why in await self.tab.evaluate(RUN_AXE):
            more = f' and {n - 1} more' if n > 1 else ''
            self.say(f'axe {rule} ({impact}): {where}{more}; {(why or "").split(chr(10))[0]}')


async def search(tab, starts, terms):
    "A line for each term that the page of the search does not find."
    found = []
    for start in starts:
        for term in terms:
            await tab.goto(f'{start}/search.html?q={term}')
            try: await tab.wait_for_selector('#search-results li a', timeout=WAIT)
            except TimeoutError:
                found.append(f'search.html: {term!r} is not found over {start[:4]}')
    return found


async def visit_all(site, pages, host, jobs, terms, tell):
    "Problems of all pages, by address."
    async with async_playwright() as p:
        path = browser_path(p.chromium.executable_path)
        browser = await p.chromium.launch(executable_path=path, args=[
            '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'])
        axe, left, done = axe_source(), list(pages)[::-1], 0
        tabs = [Visit(await browser.new_page(reduced_motion='reduce'), host, axe)
                for _ in range(jobs)]  # the theme keeps its mode in a store: each has its own
        async def work(v):
            nonlocal done
            while left:
                try: await v.look(left.pop())
                except Error as e: v.say(f'cannot be looked at: {e.message}')
                tell(done := done + 1)
        await asyncio.gather(*map(work, tabs))
        starts = f'http://{host}', site.as_uri()
        unfound = await search(await browser.new_page(), starts, terms)
        await browser.close()
    order = {p: i for i, p in enumerate(pages)}
    found = sorted((p for v in tabs for p in v.problems), key=lambda p: order[p.split()[0]])
    return found + unfound


def check(site, pages=None, jobs=2, terms=TERMS, tell=lambda done: None):
    "One line for each problem of the site in a browser."
    site = Path(site).resolve()
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f'127.0.0.1:{server.server_port}'
    try: return asyncio.run(visit_all(site, pages or pages_of(site), host, jobs, terms, tell))
    finally: server.shutdown()


def main():
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--site', type=Path, default=ROOT/'_docs', help='its folder; default _docs')
    p.add_argument('--pages', nargs='+', metavar='PART', help='those with this in their address')
    p.add_argument('--jobs', type=int, default=min(os.cpu_count() or 1, 4), help='pages at once')
    p.add_argument('--sample', type=int, default=6, help='of the sources, one page in so many')
    a = p.parse_args()
    if not (a.site/'index.html').is_file():
        p.error(f'no site in {a.site}: build it with `make docs`')
    pages = pages_of(a.site, a.sample)
    if a.pages: pages = [f for f in pages if any(part in f for part in a.pages)]
    if not pages: p.error('no page of that name')
    if async_playwright is None or not find_spec(AXE_IN):
        sys.exit('check_site: Playwright or axe-core is missing: pip install -e ".[dev]"')
    live = sys.stderr.isatty()
    def tell(done):
        if live or done % 20 == 0 or done == len(pages):
            print(f'{done} of {len(pages)} pages', end='\r' if live and done < len(pages) else '\n',
                  file=sys.stderr, flush=True)
    try: found = check(a.site, pages, a.jobs, () if a.pages else TERMS, tell)
    except NoBrowser:
        print('check_site: no Chromium; name one in CHROMIUM, or `playwright install chromium`')
        sys.exit(3)
    print(*found, sep='\n', end='\n' if found else '')
    print(f'{len(pages)} pages, {" and ".join(map(str, WIDTHS))} pixels wide, light and dark: '
          f'{len(found) or "no"} problem{"s"*(len(found) != 1)}')
    sys.exit(bool(found))


if __name__ == '__main__': main()
