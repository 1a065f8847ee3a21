"Sphinx settings of the site; the pages come from `tools/build_docs.py`."
import sys
from configparser import ConfigParser
from pathlib import Path

here = Path(__file__).parent
# for `slug`, which Sphinx has to find by name in its worker processes
sys.path.insert(0, str(here))
ini = ConfigParser(delimiters=['='])
ini.read(here.parent/'settings.ini', encoding='utf-8')
cfg = ini['DEFAULT']

project, author, release, copyright = cfg['title'], cfg['author'], cfg['version'], cfg['copyright']
extensions = ['myst_nb', 'sphinx_design', 'sphinx_copybutton', 'sphinx-mathjax-offline']
nb_execution_mode = 'off'
nb_merge_streams = True
nb_code_prompt_show = 'Show the code'
nb_code_prompt_hide = 'Hide the code'
myst_enable_extensions = ['dollarmath', 'amsmath', 'html_image']
myst_heading_anchors = 4
myst_heading_slug_func = 'slug.slug'
suppress_warnings = ['myst.header']  # a method's card stands below its class's at any depth
exclude_patterns = []

html_title = cfg['title']
html_theme = 'sphinx_book_theme'
html_static_path, html_css_files = ['static'], ['custom.css']
html_show_sourcelink = html_copy_source = False
html_theme_options = dict(home_page_in_toc=True, show_toc_level=2, navbar_persistent=[],
                          use_download_button=False, pygments_light_style='tango',
                          pygments_dark_style='github-dark')
