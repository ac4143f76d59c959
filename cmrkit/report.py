"""The report of a study: every executed notebook as HTML and one page that leads through them."""

import base64
import re

import jinja2
import nbformat
from nbconvert import HTMLExporter

from cmrkit import paths
from cmrkit.provenance import write_provenance

# in tables/, as text
VERDICTS = ("verdicts", "plausibility_verdict", "realism_verdict", "memorisation_verdict")

PAGE = jinja2.Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ study }}: study report</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 80rem; margin: 2rem auto;
       padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin: 2.5rem 0 0; border-top: 1px solid #ccc; padding-top: 1rem }
p.lead { color: #555; margin-top: .2rem } figure { margin: 1rem 0 } img { max-width: 100% }
figcaption, .small { color: #555; font-size: .85rem }
table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0; display: block;
        overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .45rem; text-align: left }
tr:nth-child(even) { background: #f7f7f7 } .note { background: #fff4d6; padding: .6rem 1rem }
</style></head><body>
<h1>Study “{{ study }}”</h1>
<p class="lead">Can synthetic cardiac MRI stand in for patients? A run of the study kit after
Diller et al., BMC Medical Imaging 2020;20:113.</p>
{% if simulated %}<p class="note">Every frame here that is called “simulated patient” or counted in
a role comes from the simulated Tetralogy-of-Fallot cohort. No patient was imaged.</p>{% endif %}
<h2>Table 1, measured beside published</h2>
{{ table1 }}
<h2>In words</h2>
<ul>{% for line in verdicts %}<li>{{ line | e }}</li>{% endfor %}</ul>
{% for page in pages %}
<h2><a href="{{ page.name }}.html">{{ page.title }}</a></h2>
<p class="lead">{{ page.question }} <span class="small">({{ page.minutes }} min)</span></p>
{% for image in page.figures %}
<figure><img src="data:image/png;base64,{{ image.data }}" alt="{{ image.name }}">
<figcaption>{{ image.name }}: <a href="figures/{{ image.name }}.pdf">PDF</a>,
<a href="figures/{{ image.name }}.svg">SVG</a></figcaption></figure>
{% endfor %}{% endfor %}
<h2>Where this comes from</h2>
<table><tr><th>notebook</th><th>minutes</th><th>seed</th></tr>
{% for name, minutes in record.minutes.items() %}
<tr><td>{{ name }}</td><td>{{ minutes }}</td><td>{{ record.seeds[name] }}</td></tr>{% endfor %}
<tr><td>all</td><td>{{ '%.1f' % total }}</td><td></td></tr></table>
<p class="small">Commit {{ record.commit or 'unknown' }}; {{ record.machine.processor }},
{{ record.machine.cores }} cores, {{ record.machine.memory_gb }} GB,
GPU: {{ record.machine.gpus | join(', ') or 'none' }}; written {{ record.written }}.
Parameters, versions and digests: <a href="provenance.json">provenance.json</a>.
Tables: {% for name in tables -%}
<a href="tables/{{ name }}">{{ name }}</a>{{ ", " if not loop.last }}
{% endfor %}.</p>
</body></html>
"""
)


def write_report(study, parameters):
    """Write the notebooks' HTML, `provenance.json` and `index.html` of a finished study.

    No page asks anything of another machine: figures are embedded, scripts are left out.

    Args:
        study: name of the study.
        parameters: dict from notebook name to its parameters.

    Returns:
        path of `index.html`.
    """
    folder = paths.report_folder(study)
    record = write_provenance(study, parameters)
    pages = [_page(folder, name, record["minutes"][name]) for name in parameters]
    verdicts = [(folder / "tables" / f"{name}.txt").read_text().splitlines() for name in VERDICTS]
    html = PAGE.render(
        study=study,
        simulated=parameters["01_cohort"]["source"] == "simulated",
        pages=pages,
        record=record,
        total=sum(record["minutes"].values()),
        table1=(folder / "tables" / "table1.html").read_text(),
        verdicts=[line for lines in verdicts for line in lines],
        tables=sorted(p.name for p in (folder / "tables").glob("[!.]*")),
    )
    with paths.moved_into_place(folder / "index.html") as draft:
        draft.write_text(html)
    return folder / "index.html"


def _page(folder, name, minutes):
    """Write one notebook's HTML; return what the index says of it."""
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    notebook.metadata.pop("widgets", None)  # a page would fetch scripts to show the rater's state
    exporter = HTMLExporter(mathjax_url="", require_js_url="", embed_images=True)
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": name}})
    with paths.moved_into_place(folder / f"{name}.html") as draft:
        draft.write_text(body)
    heading = notebook.cells[0].source.splitlines()
    figures = sorted((folder / "figures").glob(f"figure{int(name[:2])}*.png"))
    return {
        "name": name,
        "title": heading[0].lstrip("# "),
        "question": re.sub(r"\*", "", next(line for line in heading[1:] if line)),
        "minutes": minutes,
        "figures": [
            {"name": p.stem, "data": base64.b64encode(p.read_bytes()).decode()} for p in figures
        ],
    }
