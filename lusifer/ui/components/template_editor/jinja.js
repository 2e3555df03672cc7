// What the editor knows of Jinja: how a text is coloured, and what can be completed where.

const TAGS = ["for", "if", "elif", "else", "endfor", "endif", "set", "endset", "macro", "endmacro"];
const WORDS = new Set([...TAGS, "in", "is", "not", "and", "or", "true", "false", "none"]);
// A tag that is not closed is coloured to the end of its line: the rest is text until somebody closes it.
const PARTS = /\{#[\s\S]*?(?:#\}|$)|\{\{(?:(?!\{[{%#])[\s\S])*?\}\}|\{%(?:(?!\{[{%#])[\s\S])*?%\}|\{[{%][^\n]*/g;
const TOKENS = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\d+(?:\.\d+)?|[A-Za-z_]\w*|\{[{%]-?|-?[}%]\}/g;

/** A text in pieces `[text, class]`, in order, nothing lost; the class is empty outside of Jinja. */
function colour(text) {
  const pieces = [];
  let at = 0;
  for (const part of text.matchAll(PARTS)) {
    if (part.index > at) pieces.push([text.slice(at, part.index), ""]);
    if (part[0].startsWith("{#")) pieces.push([part[0], "comment"]);
    else pieces.push(...colourTag(part[0]));
    at = part.index + part[0].length;
  }
  if (at < text.length) pieces.push([text.slice(at), ""]);
  return pieces;
}

function colourTag(tag) {
  const pieces = [];
  let at = 0;
  for (const token of tag.matchAll(TOKENS)) {
    if (token.index > at) pieces.push([tag.slice(at, token.index), "code"]);
    const first = token[0][0];
    const kind = first === '"' || first === "'" ? "text" : WORDS.has(token[0]) ? "word" : "code";
    pieces.push([token[0], kind]);
    at = token.index + token[0].length;
  }
  if (at < tag.length) pieces.push([tag.slice(at), "code"]);
  return pieces;
}

/** The pieces cut at line ends: one list a line. */
function colourLines(text) {
  const lines = [[]];
  for (const [piece, kind] of colour(text)) {
    for (const [at, part] of piece.split("\n").entries()) {
      if (at) lines.push([]);
      if (part) lines.at(-1).push([part, kind]);
    }
  }
  return lines;
}

/** Where a place is: `{{`, `{%`, or nothing outside of Jinja. */
function tagAt(text, place) {
  const before = text.slice(0, place);
  const opened = Math.max(before.lastIndexOf("{{"), before.lastIndexOf("{%"));
  const closed = Math.max(before.lastIndexOf("}}"), before.lastIndexOf("%}"));
  const open = opened > closed && (!before.slice(opened).includes("\n") || /^[^{]*[%}]\}/.test(text.slice(place)));
  return open ? before.slice(opened, opened + 2) : "";
}

/** Names that a text gives itself: of loops and settings. */
function localNames(text) {
  const names = new Set();
  for (const [, list] of text.matchAll(/\{%-?\s*(?:for|set)\s+([\w\s,]+?)\s*(?:\bin\b|=|-?%\})/g)) {
    list.split(",").map((name) => name.trim()).filter((name) => /^[A-Za-z_]\w*$/.test(name)).forEach((n) => names.add(n));
  }
  return names;
}

/** What can stand at a place: `{from, prefix, options: [{name, doc}]}`; asked: also outside of a tag. */
function complete(text, place, data, asked) {
  const prefix = /[A-Za-z_]\w*$/.exec(text.slice(0, place))?.[0] ?? "";
  const from = place - prefix.length, before = text.slice(0, from), tag = tagAt(text, from);
  const none = { from, prefix, options: [] };
  if (!tag && !asked) return none;
  if (/\.\s*$/.test(before) || (tag && /["'][^"'\n]*$/.test(before.slice(before.lastIndexOf(tag)).replace(
    /"[^"\n]*"|'[^'\n]*'/g, "")))) return none;
  let all;
  if (tag && /\|\s*$/.test(before)) all = data.filters.map((name) => ({ name, doc: "filter" }));
  else if (/\{%-?\s*$/.test(before)) all = TAGS.map((name) => ({ name, doc: "tag" }));
  else {
    const known = new Set(data.variables.map((variable) => variable.name));
    const own = [...localNames(text)].filter((name) => !known.has(name));
    all = [...own.map((name) => ({ name, doc: "set in this template" })), ...data.variables];
  }
  if (!prefix && !asked && !/\{[{%]-?\s*$|\|\s*$/.test(before)) return none;
  const options = all.filter(({ name }) => name.startsWith(prefix) && name !== prefix);
  return { from, prefix, options };
}
