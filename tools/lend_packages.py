"""Link what `infsa` needs without its extras from this environment into another: `python tools/lend_packages.py SITE_PACKAGES`.
The other environment then holds the packages of `requirements` in settings.ini and what those need, and no more."""
import sys
from configparser import ConfigParser
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def needed(requirements):
    "Distributions by name that the requirements ask for, with what these ask for; extras as each asks."
    found, open_ = {}, [Requirement(r) for r in requirements]
    while open_:
        r = open_.pop()
        name, extras = r.name.lower().replace('_', '-'), r.extras or {''}
        d = found.setdefault(name, (distribution(r.name), set()))
        if not r.specifier.contains(d[0].version, prereleases=True): sys.exit(f'lend_packages: {r} is asked for, and {d[0].version} is here')
        new = extras - d[1]
        d[1].update(new)
        for s in d[0].requires or []:
            q = Requirement(s)
            if any(q.marker is None or q.marker.evaluate({'extra': e}) for e in new): open_.append(q)
    return {n: d for n, (d, _) in found.items()}


def main():
    if len(sys.argv) != 2: sys.exit(__doc__)
    ini, site = ConfigParser(delimiters=['='], interpolation=None), Path(sys.argv[1])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    tops = {}
    for d in needed(ini['DEFAULT']['requirements'].split()).values():
        for f in d.files:
            if f.parts[0] not in ('..', '__pycache__'): tops[f.parts[0]] = Path(d.locate_file(f.parts[0]))
    for name, there in tops.items():
        if there.exists() and not (site/name).exists(): (site/name).symlink_to(there)
    print(f'{len(tops)} files and folders lent')


if __name__ == '__main__': main()
