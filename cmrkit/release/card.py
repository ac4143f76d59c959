"""The data card of a bundle: one text, as Markdown and as a page that opens anywhere."""

from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
import numpy as np
from nbconvert.filters import markdown2html

from cmrkit.cohort.frames import LABELS, read_frames
from cmrkit.cohort.store import load_pixels
from cmrkit.figures.frames import frame_rows
from cmrkit.figures.style import style

CARD = jinja2.Template(
    """# Synthetic cardiac MRI frames: data card

**No frame of this bundle was taken of a patient.** A generative network drew all of them, and their
labels with them, from random numbers. They are for research and teaching.

![Frames drawn at random, and below each its labels](examples.png)

*Drawn at random, not chosen; the outlines are the labels that the network drew.*

## What is in it

| view | frames | left out as copies | labels |
|---|---|---|---|
{% for view, count in frames.items() -%}
| {{ view }} | {{ count }} | {{ left_out[view] }} | {{ named(labels[view]) }} |
{% endfor %}
Each frame is {{ resolution }} x {{ resolution }} pixels of 8 bit{% if spacing_mm %}, \
{{ "%.3g" | format(spacing_mm) }} mm a pixel{% else %}; the pixel size is unknown{% endif %}. \
Label numbers: {{ numbered }}. Frames are single: no two of them are phases or slices of one heart.

## How it was made

- A progressive GAN (Karras et al. 2018, as in Diller et al., BMC Med Imaging 2020;20:113) of
  {{ "%.3g" | format(training.kimg) }} thousand training images, {{ loss }} loss, whose
  averaged weights drew the frames. It draws image and labels together; nobody corrected them.
- Frame *n* follows from seed {{ seed }} and its number alone\
{% if truncation < 1 %}; latents were shortened to {{ truncation }} of their length, so that frames
are more typical and more alike{% endif %}.
- Generator: SHA-256 `{{ generator }}`. Kit: cmrkit {{ kit }}{% if commit %}, commit \
`{{ commit }}`{% endif %}. Study "{{ study }}", finished {{ written[:10] }}.

## What it learnt from

{% if "simulated" in trained_on.source -%}
**Simulated patients: nobody was imaged.** The hearts are computed; the network has never seen an
MRI scanner's image.

{% endif -%}
| view | patients | frames | source | disease | centre | scanner |
|---|---|---|---|---|---|---|
{% for view, row in trained_on.views.items() -%}
| {{ view }} | {{ row.patients }} | {{ row.frames }} | {{ row.source }} | {{ row.disease }} \
| {{ row.site }} | {{ row.vendor }} |
{% endfor %}
## What the audits say

Copied from the report of the study, good or bad.

{% for title, lines in audits.items() -%}
**{{ title }}**

{% for line in lines -%}
- {{ line }}
{% endfor %}
{% endfor -%}
Frames that the memorisation audit called copies of a training frame are left out of this bundle:
{{ left_out.values() | sum }} of {{ left_out.values() | sum + frames.values() | sum }}.

{% if variety -%}
**Variety.** Spread (SD) of each chamber's area over that of the patients; 1 is as varied as they
are, below 1 is poorer, far above 1 means shapes that patients do not have.

| view | chamber | SD ratio |
|---|---|---|
{% for row in variety -%}
| {{ row.view }} | {{ row.label }} | {{ "%.2f" | format(row.sd_ratio) }} |
{% endfor %}
{% endif -%}
## What it must not be used for

- Diagnosis, treatment, or any decision about a person.
- Testing or approving a method: only patients can tell how it works on patients. A network trained
  on this bundle has to be tested on patients of the place where it is to be used.
- Normal values, frequencies or outcomes: how often a shape occurs here says nothing about people.
- Volumes or function: frames do not belong together as a heart or a cycle.
- Passing for patients: keep the marks in the files, and do not mix frames unmarked into an archive.
- Searching for the patients whom the network learnt from. The audit bounds the risk, it does not
  exclude it.

## Files

| file | what it is |
|---|---|
| `frames.parquet` | one row a frame: `frame_id`, `index`, `seed`, `view`, spacing, labels, source |
| `frames.zarr` | `image` and `mask`, uint8 [N, R, R], in the order of the table |
{% for name, text in extra.items() -%}
| `{{ name }}/` | {{ text }} |
{% endfor -%}
| `load_example.py` | ten lines that read them: numpy, pandas, pyarrow, zarr 3.0.6 or newer |
| `bundle.json` | the facts of this card, for programs |
| `SHA256SUMS` | checksums: `sha256sum -c SHA256SUMS` |

With the study kit: `make study STUDY=received DATA=<this folder>` trains a U-Net on these frames
and tests it on your own external patients, beside one trained on your own patients.

## Licence

{{ licence }}

Cite the study above and name the kit. Say in every work that the frames are synthetic.
"""
)

LOSSES = {"wgan-gp": "WGAN-GP", "ns-r1": "non-saturating, R1-penalised"}
EXTRA = {
    "png": "the same as 8 bit PNG; in `<frame_id>_mask.png` grey values are label numbers",
    "nifti": "the same as NIfTI, one slice a file; its place in a body means nothing",
    "dicom": "the same as DICOM: Secondary Capture with `Synthetic Data` YES, and Segmentation",
}


def write_card(folder, facts):
    """Write `data_card.md`, `data_card.html` and `examples.png`.

    Args:
        folder: of the bundle, with its frames.
        facts: as in `bundle.json`.
    """
    text = CARD.render(
        **facts,
        named=lambda labels: ", ".join(LABELS[label] for label in labels),
        numbered=", ".join(f"{number} {name}" for number, name in LABELS.items()),
        loss=LOSSES[facts["training"]["loss"]],
        extra={name: EXTRA[name] for name in facts["formats"]},
    )
    draw_examples(folder)
    (Path(folder) / "data_card.md").write_text(text)
    (Path(folder) / "data_card.html").write_text(PAGE.format(body=markdown2html(text)))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Data card: synthetic cardiac MRI frames</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 56rem; margin: 2rem auto;
       padding: 0 1rem }}
img {{ max-width: 100% }} table {{ border-collapse: collapse; font-size: .9rem }}
th, td {{ border-bottom: 1px solid #ddd; padding: .25rem .7rem; text-align: left }}
h2 {{ margin-top: 2rem; border-top: 1px solid #ccc; padding-top: .8rem }}
code {{ overflow-wrap: anywhere }} a.anchor-link {{ display: none }}
</style></head><body>
{body}
</body></html>
"""


def draw_examples(folder, columns=8):
    """Write `examples.png`: frames of each view, drawn at random, without and with their labels."""
    frames, rows = read_frames(folder), {}
    for view, own in frames.groupby("view", sort=False):
        draw = np.random.default_rng(0).choice(own.index, min(columns, len(own)), replace=False)
        images, masks = load_pixels(folder, np.sort(draw))
        rows[view] = images, np.zeros_like(masks)
        rows[f"{view}\nlabels"] = images, masks
    figure = frame_rows(rows, columns)
    with style():
        figure.savefig(
            Path(folder) / "examples.png", dpi=200,
            metadata={"Software": None, "Description": "synthetic, not patients"},
        )  # fmt: skip
    plt.close(figure)
