// A trace as a tree: a run, its users, their steps, the calls. One user's calls are here at a time; another's are asked
// for. Texts of models and datasets are set as text, never as HTML.

const instances = new WeakMap();

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

class CallTree {
  constructor(root) {
    this.root = root;
    this.tree = make("div", { class: "rows", role: "tree" });
    this.head = make("div", { class: "row head", "aria-hidden": "true" });
    root.replaceChildren(this.head, this.tree);
    this.closed = new Set();
    this.tree.onclick = (event) => this.press(event.target.closest("[role=treeitem]"));
    this.tree.onkeydown = (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || !this.go(event.key, event.target)) return;
      event.preventDefault();
      event.stopPropagation();
    };
  }

  receive(data, tell) {
    const other = data.trace !== this.data?.trace;
    const moved = other || data.selected !== this.data.selected || data.open !== this.data.open;
    if (other) this.closed.clear();
    this.data = data;
    this.tell = tell;
    if (moved) this.asked = null;
    this.draw();
    if (moved && data.selected) {
      const row = this.find(data.selected), box = this.tree;
      const above = row ? row.offsetTop - box.offsetTop - box.scrollTop : 0;
      if (row && (above < 0 || above + row.offsetHeight > box.clientHeight)) {
        box.scrollTop += above - box.clientHeight / 3;
      }
    }
  }

  find(key) { return [...this.tree.children].find((row) => row.dataset.key === key) ?? null; }

  draw() {
    const { data } = this, inside = this.root.getRootNode().activeElement;
    const focused = this.tree.contains(inside) ? inside.dataset.key : null;
    this.root.style.setProperty("--columns", String(data.columns.length));
    this.head.replaceChildren(make("span", { class: "name" }, data.title),
      ...data.columns.map((name) => make("span", { class: "figure" }, name)));
    this.tree.setAttribute("aria-label", `${data.title}; arrow keys go through, Enter opens`);
    const rows = [this.row(data.root, 1, "root", this.isOpen("root"))];
    if (this.isOpen("root")) {
      for (const user of data.users) {
        const open = this.isOpen(user.key);
        rows.push(this.row(user, 2, "user", open));
        if (!open) continue;
        for (const step of data.steps) {
          rows.push(this.row(step, 3, "step", this.isOpen(step.key)));
          if (this.isOpen(step.key)) rows.push(...step.calls.map((call) => this.row(call, 4, "call", null)));
        }
      }
    }
    this.tree.replaceChildren(...rows);
    this.setFocusable((focused && this.find(focused)) ?? this.find(data.selected) ?? this.tree.firstElementChild);
    if (focused) (this.find(focused) ?? this.tree.querySelector("[tabindex='0']"))?.focus({ preventScroll: true });
  }

  isOpen(key) {
    const isUser = this.data.users.some((user) => user.key === key);
    return (!isUser || key === this.data.open) && !this.closed.has(key);
  }

  row(node, level, kind, open) {
    const { columns } = this.data;
    const figures = node.figures.map((text, at) => `${columns[at]} ${text}`).join(", ");
    const marks = node.marks.map(([mark, text]) => make("span", { class: `mark ${mark}` }, text));
    const waits = kind === "user" && this.asked === node.key;
    const row = make("div", {
      class: `row ${kind}`, role: "treeitem", tabindex: "-1", "data-key": node.key, "data-kind": kind,
      "aria-level": level, "aria-expanded": open === null ? null : String(open), "aria-busy": waits ? "true" : null,
      "aria-selected": kind === "call" ? String(node.key === this.data.selected) : null,
      "aria-label": [node.title, node.note, ...node.marks.map((mark) => mark[1]), figures].filter(Boolean).join(", "),
    },
    make("span", { class: "name" },
      make("span", { class: "twisty" }, open === null ? "" : open ? "▾" : "▸"),
      make("span", { class: "words" }, make("span", { class: "title" }, node.title),
        node.note ? make("span", { class: "note" }, node.note) : null, marks)),
    node.figures.map((text) => make("span", { class: "figure" }, text)));
    if (kind === "call") row.append(make("i", { class: "bar", style: `--share:${node.bar}` }));
    return row;
  }

  setFocusable(row) {
    for (const other of this.tree.children) other.tabIndex = other === row ? 0 : -1;
  }

  focus(row) {
    if (!row) return;
    this.setFocusable(row);
    row.focus();
  }

  press(row) {
    if (!row) return;
    const { key, kind } = row.dataset;
    this.setFocusable(row);
    row.focus({ preventScroll: true });
    if (kind === "call") this.send(this.data.open, key);
    else this.toggle(row, row.ariaExpanded !== "true");
  }

  toggle(row, open) {
    const { key, kind } = row.dataset;
    if (open) this.closed.delete(key); else this.closed.add(key);
    if (kind === "user" && open && key !== this.data.open) {
      this.asked = key;
      this.send(key, this.data.selected);
    }
    this.draw();
  }

  send(open, call) { this.tell("choice", { trace: this.data.trace, open, call }); }

  /** What a key does; whether it did something. */
  go(key, target) {
    const rows = [...this.tree.children], row = target.closest("[role=treeitem]"), at = rows.indexOf(row);
    if (at < 0) return false;
    const level = Number(row.ariaLevel), isOpen = row.ariaExpanded === "true";
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 };
    if (key in places) this.focus(rows[places[key]]);
    else if (key === "ArrowRight" && row.ariaExpanded === "false") this.toggle(row, true);
    else if (key === "ArrowRight" && isOpen) this.focus(rows[at + 1]);
    else if (key === "ArrowLeft" && isOpen) this.toggle(row, false);
    else if (key === "ArrowLeft") this.focus(rows.slice(0, at).findLast((other) => Number(other.ariaLevel) < level));
    else if (key === "Enter" || key === " ") this.press(row);
    else return false;
    return true;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".call-tree");
  if (!instances.has(root)) instances.set(root, new CallTree(root));
  instances.get(root).receive(data, setStateValue);
  return () => instances.delete(root);
}
