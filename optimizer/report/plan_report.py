"""A plan as one HTML file that needs nothing else: what is wrong, what is done, before and after, what remains."""

from __future__ import annotations

from base64 import b64encode
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.report.heat import STEPS
from optimizer.report.html import blocks, data, text
from optimizer.report.words import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.report.heat import Heat
    from optimizer.report.page import Page

__all__ = ["plan_report"]

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1a1a1a;--quiet:#595959;--bad:#a40000;--good:#00612e;--warn:#7a4b00;
--line:#c9c9c9;--0:#e8eef5;--1:#b7cfe6;--2:#7fabd3;--3:#3f7fb5;--4:#f0a030;--5:#c62828}
@media (prefers-color-scheme:dark){:root{--bg:#161616;--fg:#ececec;--quiet:#b0b0b0;--bad:#ff9a94;--good:#7fdca4;
--warn:#ffce7a;--line:#4a4a4a;--0:#22303d;--1:#2c4a66;--2:#3a6a94;--3:#5b9bd5;--4:#f0a030;--5:#ff6b60}}
body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:0 auto;padding:1rem;background:var(--bg);color:var(--fg)}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}p{margin:.3rem 0}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}caption{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%)}th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:var(--bad)}.good{color:var(--good)}
.warn{color:var(--warn)}.quiet,.note{color:var(--quiet)}.note td{border-bottom:0;padding-left:2rem}
.maps{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 20rem;min-width:0}canvas{width:100%;display:block}
.key span{display:inline-block;width:1em;height:1em;vertical-align:-.1em;margin:0 .3em 0 1em;
border:1px solid var(--line)}
@media print{:root{--bg:#fff;--fg:#000}.scroll{overflow:visible}tr,figure{break-inside:avoid}}
"""

SCRIPT = """
'use strict';(function(){var d=JSON.parse(document.getElementById('heat').textContent),s=d.steps;
function bytes(t){return Uint8Array.from(atob(t),function(c){return c.charCodeAt(0)})}
function band(p){var i=0;while(i<s.length&&p>s[i])i++;return i}
function draw(c){var p=bytes(d.maps[c.dataset.map]),w=c.parentNode.clientWidth||600,n=p.length,
size=Math.max(3,Math.min(18,Math.floor(Math.sqrt(w*360/Math.max(n,1))))),cols=Math.max(1,Math.floor(w/size)),
css=getComputedStyle(document.documentElement),col=[],g,i,k=window.devicePixelRatio||1;
for(i=0;i<=s.length;i++)col.push(css.getPropertyValue('--'+i).trim());
c.width=w*k;c.height=Math.ceil(n/cols)*size*k;g=c.getContext('2d');g.scale(k,k);
for(i=0;i<n;i++){g.fillStyle=col[band(p[i])];g.fillRect(i%cols*size,Math.floor(i/cols)*size,size-1,size-1)}
c.onmousemove=function(e){var i=Math.floor(e.offsetY/size)*cols+Math.floor(e.offsetX/size);
c.title=i<n&&e.offsetX<cols*size?d.hosts[i]+': '+(p[i]==255?'255 % or more':p[i]+' %'):''}}
function all(){document.querySelectorAll('canvas').forEach(draw)}
all();addEventListener('resize',all);matchMedia('(prefers-color-scheme:dark)').addEventListener('change',all)})();
"""


def plan_report(fleet: Fleet, plan: Plan, wrong: Page, page: Page, heats: Sequence[Heat]) -> str:
    """Return the document.

    Parameters
    ----------
    wrong
        What `check` says of the fleet as it is.
    page
        The plan as the terminal shows it.
    heats
        How full the hosts are, before and after.
    """
    title = f"Plan for {fleet.id}"
    body = [
        f"<h1>{text(title)}</h1>",
        f'<p class="quiet">snapshot of {text(plan.taken_at.isoformat())}, plan {text(plan.id)}, '
        f"{len(fleet.hosts):,} hosts, {len(fleet.vms):,} VMs</p>",
        "<h2>What is wrong</h2>",
        *blocks(wrong, "What is wrong"),
        "<h2>How full the hosts are, before and after</h2>",
        *_maps(heats),
        "<h2>The plan</h2>",
        *blocks(page, "The plan"),
    ]
    maps = {f"{n}{when}": b64encode(v.tobytes()).decode() for n, when, v in _views(heats)}
    kept = data({"steps": STEPS, "hosts": list(map(str, fleet.hosts.ids)), "maps": maps})
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + f'\n</main><script type="application/json" id="heat">{kept}</script><script>{SCRIPT}</script></body></html>\n'
    )


def _views(heats: Sequence[Heat]) -> Iterator[tuple[int, str, NDArray[np.uint8]]]:
    for n, heat in enumerate(heats):
        yield n, "before", heat.before
        yield n, "after", heat.after


def _maps(heats: Sequence[Heat]) -> Iterator[str]:
    names = [f"up to {STEPS[0]} %", *(f"{a} to {b} %" for a, b in pairwise(STEPS)), "over the limit"]
    keys = "".join(f'<span style="background:var(--{i})"></span>{name}' for i, name in enumerate(names))
    yield f'<p class="key">A cell is a host, in the order of the fleet; of its tightest limit:{keys}</p>'
    for n, heat in enumerate(heats):
        resource = text(spoken(heat.resource))
        yield f'<h3>{resource}</h3><div class="maps">'
        for when, shares in (("before", heat.before), ("after", heat.after)):
            counts = heat.bands(shares)
            said = ", ".join(f"{count} hosts {name}" for count, name in zip(counts, names, strict=True))
            yield f'<figure><figcaption>{when}</figcaption><canvas role="img" data-map="{n}{when}" '
            yield f'aria-label="{resource} {when}: {said}"></canvas></figure>'
        yield "</div>"
        yield _bands(heat, resource, names)


def _bands(heat: Heat, resource: str, names: Sequence[str]) -> str:
    rows = zip(names, heat.bands(heat.before), heat.bands(heat.after), strict=True)
    cells = "".join(f'<tr><td>{n}</td><td class="n">{a:,}</td><td class="n">{b:,}</td></tr>' for n, a, b in rows)
    titles = (("load", ""), ("before", ' class="n"'), ("after", ' class="n"'))
    head = "".join(f'<th scope="col"{kind}>{title}</th>' for title, kind in titles)
    return f"<table><caption>Hosts by {resource}</caption><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
