// Users × versions. Texts of models are set as text, never as HTML.

const SIGNS = { pass: "▼", same: "=", regression: "▲", base: "" };
const WORDS = { pass: "pass", same: "pass, same", regression: "regression", base: "" };

/** An element with attributes and children; strings become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

function drawCell(cell, column) {
  const parts = [make("span", { class: "value" }, cell.value)];
  if (cell.verdict !== "base") {
    parts.push(make("span", { class: "delta" }, make("span", { "aria-hidden": "true" }, `${SIGNS[cell.verdict]} `),
      cell.delta, make("span", { class: "hidden" }, `, ${WORDS[cell.verdict]}`)));
  }
  return make("td", { role: "cell", class: `figure ${cell.verdict}`, title: WORDS[cell.verdict],
    "data-column": column.name }, parts);
}

function drawChange(pieces) {
  const tags = { old: "del", new: "ins", plain: "span" };
  return make("td", { role: "cell", class: "change" }, pieces.map(([kind, text]) => make(tags[kind], {}, text)));
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".user-matrix");
  const active = root.getRootNode().activeElement;
  const focused = active?.dataset?.user, top = root.querySelector(".scroll")?.scrollTop ?? 0;
  const open = (row) => { if (row.id !== data.user) setStateValue("user", row.id); };
  const rows = data.rows.map((row) => {
    const button = make("button", { type: "button", "data-user": row.id, "aria-pressed": String(row.id === data.user),
      "aria-label": `Open user ${row.label}` }, row.id === data.user ? "shown below" : "open");
    const line = make("tr", { role: "row", class: row.id === data.user ? "chosen" : "" },
      make("th", { role: "rowheader", scope: "row" }, row.label),
      row.cells.map((cell, at) => drawCell(cell, data.columns[at])),
      drawChange(row.change),
      make("td", { role: "cell", class: "open" }, button));
    line.onclick = () => { if (!String(getSelection())) open(row); };
    return line;
  });
  const head = make("tr", { role: "row" }, make("th", { role: "columnheader", scope: "col" }, "User"),
    data.columns.map(({ name, note }) => make("th", { role: "columnheader", scope: "col", class: "figure" },
      make("b", {}, name), make("span", { class: "note" }, note))),
    make("th", { role: "columnheader", scope: "col", class: "change" }, data.change_title),
    make("th", { role: "columnheader", scope: "col", class: "open" }, make("span", { class: "hidden" }, "Open")));
  const table = make("table", { role: "table", "aria-label": "Users by version; arrow keys go through the users" },
    make("thead", { role: "rowgroup" }, head), make("tbody", { role: "rowgroup" }, rows));
  const scroll = make("div", { class: "scroll" }, table);
  root.replaceChildren(scroll);
  scroll.scrollTop = top;
  if (focused) root.querySelector(`[data-user="${focused}"]`)?.focus({ preventScroll: true });
  root.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...root.querySelectorAll("button")], at = buttons.indexOf(event.target);
    if (!step || at < 0) return;
    buttons[at + step]?.focus();
    event.preventDefault();
  };
}
