"Check a built site: links, anchors, files exist; nothing from outside: `check_links.py FOLDER`."
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NOT_LOADED = 'canonical', 'index', 'search', 'next', 'prev', 'author'


class Links(HTMLParser):
    "Collects the ids, the links and the loaded files of a page."
    def __init__(self): super().__init__(); self.ids, self.links, self.loads = set(), [], []

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.ids |= {a[k] for k in ('id', 'name') if a.get(k)}
        if tag == 'a' and a.get('href'): self.links.append(a['href'])
        if tag in ('img', 'script', 'iframe', 'source') and a.get('src'):
            self.loads.append(a['src'])
        if tag == 'link' and a.get('href') and a.get('rel') not in NOT_LOADED:
            self.loads.append(a['href'])


def read(path):
    parser = Links()
    parser.feed(path.read_text(encoding='utf-8'))
    return parser


def problems(site):
    "One line for each broken link, missing anchor or file, and file from outside below `site`."
    site, pages, found = Path(site).resolve(), {}, []
    for path in sorted(site.rglob('*.html')):
        if '_static' not in path.relative_to(site).parts:
            pages[path] = read(path)  # a theme's templates lie there
    for path, page in pages.items():
        here = path.relative_to(site)
        for url, loaded in [(u, False) for u in page.links] + [(u, True) for u in page.loads]:
            parts = urlsplit(url)
            if parts.scheme == 'data': continue
            if parts.scheme or parts.netloc:
                if loaded: found.append(f'{here}: loads {url} from outside')
                continue
            target = (path.parent/unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir(): target /= 'index.html'
            if not target.is_file(): found.append(f'{here}: {url} does not exist')
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].ids:
                    found.append(f'{here}: {url} has no such anchor')
    return sorted(set(found))


if __name__ == '__main__':
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit('usage: check_links.py FOLDER')
    broken = problems(sys.argv[1])
    print('\n'.join(broken) or 'every link holds')
    sys.exit(bool(broken))
