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
address = f'{cfg["doc_host"]}{cfg["doc_baseurl"]}/'
extensions = ['myst_nb', 'sphinx_design', 'sphinx_copybutton', 'sphinx-mathjax-offline',
              'sphinxext.opengraph']
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
html_theme, html_context = 'sphinx_book_theme', dict(default_mode='auto')
html_baseurl = ogp_site_url = address  # what canonical links and cards name
ogp_image = '_static/card.png'  # tools/build_docs.py has it drawn
ogp_image_alt = ('A photograph of a flower in 64 patches, the patches that one, two and three hops '
                 'on their graph lead to, and the sum of all hops, in which the flower stands out.')
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image" />']
html_static_path, html_css_files, html_js_files = ['static'], ['custom.css'], ['site.js']
templates_path = ['templates']
html_show_sourcelink = html_copy_source = False
html_theme_options = dict(home_page_in_toc=True, show_toc_level=2, navbar_persistent=[],
                          use_download_button=False,
                          article_header_end=['download.html', 'article-header-buttons.html'],
                          pygments_light_style='github-light-high-contrast',
                          pygments_dark_style='github-dark-high-contrast')
