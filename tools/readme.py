"Write README.md and the pictures in index_files/ from nbs/index.ipynb: `python tools/readme.py`."
import re, shutil, sys

from pages import NBS, ROOT, Page, markdown

NOTE = '<!-- Generated from nbs/index.ipynb by tools/readme.py: edit the notebook. -->\n\n'


def readme(page, root=ROOT):
    "Text of the README for `page`; links to notebooks point from the root of the repository."
    images = root/'index_files'
    shutil.rmtree(images, ignore_errors=True)
    body = markdown(page, images, 'index_files')
    return NOTE + re.sub(r'\]\((?!https?:|#)([^)\s]+\.ipynb)', r'](nbs/\1', body)


def main():
    path = NBS/'index.ipynb'
    if not path.is_file(): sys.exit(f'readme: {path.relative_to(ROOT)} is missing')
    (ROOT/'README.md').write_text(readme(Page(path)), encoding='utf-8')


if __name__ == '__main__': main()
