"""What the page is made of, but for the tree."""

from typing import Final

# No "<" and no "&" in the script: it is read as XML, too.
PAGE: Final = """<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'" />
<title>Task tree</title>
<style>
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1f2328; --faint: #6a737d; --line: #d8dee4; --hover: #f3f5f7;
  --trio: #116329; --asyncio: #0550ae; --scope: #7d4e00; --alarm: #cf222e; --function: #1b5e6b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #16191d; --text: #d7dce1; --faint: #8b949e; --line: #343a41; --hover: #20252b;
    --trio: #6cc47a; --asyncio: #79b8ff; --scope: #dcb163; --alarm: #ff7b72; --function: #7fc8d6;
  }
}
body { margin: 0; background: var(--back); color: var(--text);
  font: 14px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .4em .8em;
  align-items: center; padding: .6em 1em; background: var(--back);
  border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1em; }
input, button { font: inherit; color: inherit; background: var(--hover);
  border: 1px solid var(--line); border-radius: 5px; padding: .1em .6em; }
input { flex: 1 1 14em; max-width: 24em; }
button { cursor: pointer; }
main { padding: .6em 1em 3em; overflow-x: auto; }
details.node, .leaf { white-space: nowrap; }
details.node .node { margin-left: .55em; padding-left: 1.1em; border-left: 1px solid var(--line); }
summary, .leaf { border-radius: 4px; cursor: default; }
.leaf::before { content: ""; display: inline-block; width: 1.1em; }
summary { list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "\\25BE"; display: inline-block; width: 1.1em; color: var(--faint); }
details:not([open]) > summary::before { content: "\\25B8"; }
summary:hover { background: var(--hover); }
table { margin: 0 0 .15em 1.6em; border-spacing: 0; font-size: .93em; }
td { padding: 0 1.4em 0 0; }
.trio { color: var(--trio); font-weight: 600; }
.asyncio { color: var(--asyncio); font-weight: 600; }
.scope { color: var(--scope); }
.name { font-weight: 600; }
.alarm { color: var(--alarm); font-weight: 600; }
.function { color: var(--function); }
.place, .detail { color: var(--faint); }
.away { display: none; }
</style>
</head>
<body>
<header>
<h1>Task tree</h1>
<span class="detail"><!--counts--></span>
<input id="search" type="search" placeholder="search" aria-label="search" />
<button id="unfold" type="button">unfold all</button>
<button id="fold" type="button">fold all</button>
</header>
<main>
<!--tree-->
</main>
<script>
const nodes = Array.from(document.querySelectorAll(".node"));
const folders = nodes.filter(node => node.tagName === "DETAILS");
const textOf = node => node.tagName !== "DETAILS" ? node.textContent : Array.from(node.children)
  .filter(child => !child.classList.contains("node")).map(child => child.textContent).join(" ");
const text = new Map(nodes.map(node => [node, textOf(node).toLowerCase()]));
const fold = isOpen => folders.forEach(node => { node.open = isOpen; });
document.getElementById("unfold").onclick = () => fold(true);
document.getElementById("fold").onclick = () => fold(false);
document.getElementById("search").oninput = event => {
  const word = event.target.value.trim().toLowerCase();
  nodes.forEach(node => node.classList.toggle("away", word !== ""));
  if (word === "") return;
  nodes.filter(node => text.get(node).includes(word)).forEach(found => {
    for (let node = found; node !== null; node = node.parentElement.closest(".node")) {
      if (!node.classList.contains("away")) break;
      node.classList.remove("away");
      node.open = true;
    }
  });
};
</script>
</body>
</html>
"""
